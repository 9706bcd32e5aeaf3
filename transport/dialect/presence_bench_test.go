package dialect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// BenchmarkAppendMembers encodes as many members as one hub.Changes has at most.
func BenchmarkAppendMembers(b *testing.B) {
	var members []hub.Member
	for i := range hub.ChangesMax {
		members = append(members, hub.Member{
			ID: strings.Repeat("x", 26), Transport: "websocket", Since: epoch, User: fmt.Sprint("user", 1000+i), Info: `{"name":"Somebody Else"}`,
		})
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = appendMembers(dst[:0], members)
	}
	b.SetBytes(int64(len(dst)))
	b.ReportMetric(float64(len(dst)), "B")
}
