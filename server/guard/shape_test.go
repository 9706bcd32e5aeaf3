package guard

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/hooks"
	"github.com/godwit-io/godwit/server/identity"
	"github.com/godwit-io/godwit/transport"
)

// What the application puts in the place of a payload keeps the payload's shape only if
// it can have it.
func TestAChangedPayloadLosesAShapeThatDoesNotFit(t *testing.T) {
	answer := ""
	application := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	defer application.Close()
	h, err := hooks.New(&hooks.Options{
		Publish: &hooks.Question{URL: application.URL, Channels: []access.Pattern{policies(t, "**").list[0].Match}},
		Secrets: [][]byte{[]byte(strings.Repeat("k", 32))}, AllowPrivate: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close(t.Context())
	identities, err := identity.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer identities.Close()
	g := New(Options{}, &Settings{Identities: identities, Hooks: h})
	for text, want := range map[string]hub.Shape{`{}`: hub.ShapeArgs, `{"data":[2]}`: hub.ShapeArgs, `{"data":"two"}`: 0, `{"data":{}}`: 0} {
		answer = `{"allow":` + text + `}`
		given := &hub.Attributes{Event: "pair", Shape: hub.ShapeArgs}
		m := &hub.Message{Channel: "chat", Kind: hub.JSON, Data: []byte("[1,2]"), Attributes: given}
		if err := decide(g, client(far, access.Everybody), &transport.Act{Action: access.Publish, Channel: "chat", Message: m}); err != nil {
			t.Fatal(err)
		}
		if m.Attributes.Shape != want || m.Attributes.Event != "pair" || given.Shape != hub.ShapeArgs {
			t.Errorf("%s: %s has the shape %d, want %d", text, m.Data, m.Attributes.Shape, want)
		}
	}
}
