package interop

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestDeltasInJavaScript: a library of others rebuilds what was published, byte for byte.
func TestDeltasInJavaScript(t *testing.T) {
	t.Parallel()
	node, npm, dir := program(t, "node", "nodejs"), program(t, "npm"), t.TempDir()
	if err := installNode(npm, dir, "deltas"); err != nil {
		missing(t, err.Error())
	}
	host := serveGodwit(t, time.Minute)
	told := programEvents(t, node, "--no-warnings", filepath.Join(dir, "deltas.mjs"), "http://"+host, "prices")
	if line, ok := told.next(); !ok || line != "subscribed fossil" {
		t.Fatalf("it told %q", line)
	}
	deltas := 0
	for i := range 40 {
		var rows strings.Builder
		for j := range 30 {
			fmt.Fprintf(&rows, `{"symbol": "S%d", "name":"斑尾塍鷸 🐦", "price":%d}`+",\n", j, 100+(i*7+j)%13)
		}
		payload, kind, typ := fmt.Sprintf("[%s%d]", rows.String(), i), "json", "application/json"
		switch i % 5 {
		case 3:
			kind, typ = "text", "text/plain"
		case 4:
			payload, kind, typ = payload+"\xff\x00", "binary", "application/octet-stream"
		}
		response, err := http.Post("http://"+host+"/channels/prices", typ, strings.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Fatal(response.Status)
		}
		line, _ := told.next()
		how, rest, _ := strings.Cut(line, " ")
		if rest != kind+" "+base64.StdEncoding.EncodeToString([]byte(payload)) {
			t.Fatalf("publication %d came as %.300q, and was %s %.200q", i, line, kind, payload)
		}
		if how == "delta" {
			deltas++
		}
	}
	if deltas < 38 {
		t.Errorf("only %d of 40 came as deltas", deltas)
	}
}
