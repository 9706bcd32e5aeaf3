package membroker

import (
	"fmt"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

// BenchmarkList is a page of a list while there are very many channels.
func BenchmarkList(b *testing.B) {
	broker := started(b, nil, func(*hub.Publication) {})
	for i := range 100_000 {
		if _, _, err := put(broker, hub.Message{Channel: fmt.Sprint("room/", i)}, hour); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		list, err := broker.List(b.Context(), hub.ListQuery{Limit: 100, After: "room/5"})
		if err != nil || len(list) != 100 {
			b.Fatal(len(list), err)
		}
	}
}
