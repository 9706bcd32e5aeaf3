package scale

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func figures() Figures {
	return Figures{
		ConnectionBytes: 2000, PublishMicros: 20, WireBytes: 170,
		Deliveries: []Delivery{{1, 10}, {100, 10}, {1000, 1}},
		Brokers: map[string]Broker{
			"memory": {NodesMax: 1},
			"redis":  {NodePublishMicros: 10, NodeHearMicros: 5, PublishMicros: 15, HearMicros: 2, Members: 2, Threads: 1, Part: "masters"},
		},
	}
}

// Reports of bench replace what they have measured, and nothing else.
func TestParseFigures(t *testing.T) {
	var all []byte
	for _, name := range []string{"connections", "fanout", "publish"} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	f, err := ParseFigures(figures(), all)
	if err != nil {
		t.Fatal(err)
	}
	if f.ConnectionBytes != 1650 || f.PublishMicros != 18.5 || f.WireBytes != 170 || len(f.Brokers) != 2 {
		t.Errorf("%+v", f)
	}
	if len(f.Deliveries) != 1 || f.Deliveries[0] != (Delivery{PerSecond: 50, Micros: 9.5}) {
		t.Errorf("%v", f.Deliveries)
	}
	if len(f.From) != 3 || !strings.Contains(f.From[1], "1000 connections, 50 deliveries a second") {
		t.Errorf("%q", f.From)
	}
	again, err := ParseFigures(Figures{}, AppendFigures(nil, &f))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := string(AppendFigures(nil, &f)), string(AppendFigures(nil, &again)); a != b {
		t.Errorf("%s is read as %s", a, b)
	}
}

// A report that cannot be used is refused with the reason.
func TestParseFiguresFails(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "there is nothing",
		"{":                        "document 1 is no JSON",
		`{"suite":"godwit other"}`: `"godwit other" and no report`,
		`{"suite":"godwit bench","kind":"echo","server":{"cpu_us_per_item":1}}`:                                                                                 "it is not about",
		`{"suite":"godwit bench","kind":"publish"}`:                                                                                                             "does not say what the server used",
		`{"suite":"godwit bench","kind":"publish","server":{}}`:                                                                                                 "what a publication takes",
		`{"suite":"godwit bench","kind":"connections","server":{}}`:                                                                                             "what a connection takes",
		`{"suite":"godwit bench","kind":"fanout","server":{"cpu_us_per_item":1}}`:                                                                               "what a delivery takes",
		`{"suite":"godwit plan","figures":{"conection_bytes":1}}`:                                                                                               "conection_bytes",
		`{"suite":"godwit plan","figures":{"connection_bytes":-1}}`:                                                                                             "connection_bytes is -1",
		`{"suite":"godwit plan","figures":{"connection_bytes":1,"publish_us":1,"wire_bytes":1}}`:                                                                "deliveries is empty",
		`{"suite":"godwit plan","figures":{"connection_bytes":1,"publish_us":1,"wire_bytes":1,"deliveries":[{"per_second":2,"us":1},{"per_second":1,"us":1}]}}`: "do not ascend",
		`{"suite":"godwit plan","figures":{"connection_bytes":1,"publish_us":1,"wire_bytes":1,"deliveries":[{"per_second":2,"us":1}],"brokers":{"x":{"hear_us":-1,"node_publish_us":0}}}}`: `the broker "x" is -1`,
	} {
		if _, err := ParseFigures(figures(), []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

// Whatever is read is either refused, or can be planned with and written again.
func FuzzParseFigures(f *testing.F) {
	for _, name := range []string{"connections", "fanout", "publish"} {
		b, err := os.ReadFile("testdata/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	base := figures()
	f.Add(AppendFigures(nil, &base))
	f.Fuzz(func(t *testing.T, b []byte) {
		read, err := ParseFigures(figures(), b)
		if err != nil {
			return
		}
		written := AppendFigures(nil, &read)
		if _, err := ParseFigures(Figures{}, written); err != nil {
			t.Fatalf("%s was written, and is refused: %v", written, err)
		}
		for name := range read.Brokers {
			p, err := Make(Load{Connections: 1e5, Rate: 1e4, Fanout: 100, Size: 100, Broker: name}, Machine{}, &read)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := json.Marshal(p); err != nil {
				t.Fatal(err)
			}
		}
	})
}
