package dialect

import (
	"bytes"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Every form that has an envelope says which shape the payload has, and what has none
// says nothing.
func TestShapesAreShown(t *testing.T) {
	const members = `"key":"k","args":true,"attachments":true,"data":[1,{"$base64":"AA=="}]}`
	p := publication(hub.JSON, `[1,{"$base64":"AA=="}]`)
	p.Attributes = &hub.Attributes{Key: "k", Shape: hub.ShapeArgs | hub.ShapeAttachments}
	for name, form := range map[string][]byte{
		"envelope": encodeEnvelope(p), "line": encodeLine(p), "pattern event": encodePatternEvent(p), "session": encodeObject(p),
	} {
		if !strings.Contains(string(form), members) {
			t.Errorf("%s: %s", name, form)
		}
	}
	if event := string(encodeEvent(p)); !strings.Contains(event, "data: "+string(p.Data)+"\n") || strings.Contains(event, "args") {
		t.Errorf("event: %s", event)
	}
	w := writer{isCBOR: true}
	w.envelope(p)
	for _, k := range []clientproto.Key{clientproto.KeyArgs, clientproto.KeyAttachments} {
		if !bytes.Contains(w.b, []byte{cborUint | 24, byte(k), cborTrue}) {
			t.Errorf("CBOR has no %s: %x", k, w.b)
		}
	}
	framed := publication(hub.JSON, `{"event":"a","data":1}`)
	framed.Attributes = &hub.Attributes{Shape: hub.ShapeFrame}
	if got := string(encodeLine(framed)); !strings.Contains(got, `"framed":true,"data":{"event"`) {
		t.Errorf("line: %s", got)
	}
	framed.Attributes.Shape = 0
	if got := string(encodeLine(framed)); strings.Contains(got, "framed") {
		t.Errorf("line: %s", got)
	}
}

// A client cannot say that what it publishes has a shape.
func TestNoClientGivesAShape(t *testing.T) {
	for _, member := range []string{"args", "attachments", "framed", "shape"} {
		_, err := clientproto.ParseCommand([]byte(`{"id":1,"publish":{"channel":"c","data":[1],"` + member + `":true}}`))
		if err == nil || !strings.Contains(err.Error(), `no field "`+member+`"`) {
			t.Errorf("%s: %v", member, err)
		}
	}
}
