package dialect

import (
	"os"
	"strings"
	"testing"

	"github.com/centrifugal/fdelta"

	"github.com/godwit-io/godwit/hub"
)

// TestDocumentedDelta: the example of docs/protocol.md §8 is sent like that.
func TestDocumentedDelta(t *testing.T) {
	page, err := os.ReadFile("../../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &hub.Publication{Channel: "prices", Position: hub.Position{Epoch: "BJYB", Offset: 18}, Time: epoch, Kind: hub.JSON,
		Data: []byte(`{"rows": [["AAPL", 187.20], ["MSFT", 402.10], ["NVDA", 118.50]]}`)}
	var w writer
	w.envelopeWhole(p)
	next := *p
	next.Position.Offset, next.Data = 19, []byte(`{"rows": [["AAPL", 187.20], ["MSFT", 402.10], ["NVDA", 118.75]]}`)
	delta := fdelta.Create(p.Data, next.Data)
	var d writer
	d.envelopeDelta(&next, delta)
	for _, example := range []string{string(w.b), string(d.b)} {
		if !strings.Contains(string(page), "\n"+example+"\n") {
			t.Errorf("it does not have\n%s", example)
		}
	}
}
