package transport

import (
	"strings"
	"testing"
)

func TestNegotiate(t *testing.T) {
	tests := []struct {
		name   string
		accept []string
		want   media
	}{
		{"absent", nil, mediaJSON},
		{"empty", []string{""}, mediaJSON},
		{"only commas", []string{" , ,"}, mediaJSON},
		{"anything", []string{"*/*"}, mediaJSON},
		{"java's anything", []string{"text/html, *; q=.2"}, mediaJSON},
		{"EventSource", []string{"text/event-stream"}, mediaEvents},
		{"lines", []string{"application/x-ndjson"}, mediaLines},
		{"json", []string{"application/json"}, mediaJSON},
		{"lines under another name", []string{"application/ndjson"}, mediaLines},
		{"lines under a third name", []string{"text/html, application/JSONL;q=0.5"}, mediaLines},
		{"case", []string{"Text/Event-Stream"}, mediaEvents},
		{"major type", []string{"text/*"}, mediaEvents},
		{"major type with two offers", []string{"application/*"}, mediaJSON},
		{"a browser's address bar", []string{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, mediaJSON},
		{"named beats anything", []string{"text/event-stream, */*"}, mediaEvents},
		{"named beats anything said first", []string{"*/*, application/x-ndjson"}, mediaLines},
		{"named beats major type", []string{"text/*, application/x-ndjson"}, mediaLines},
		{"quality beats naming", []string{"text/event-stream;q=0.5, */*"}, mediaJSON},
		{"quality order", []string{"application/json;q=0.5, application/x-ndjson;q=0.9, text/event-stream;q=0.8"}, mediaLines},
		{"quality order over fields", []string{"application/json;q=0.5", "text/event-stream;q=0.8"}, mediaEvents},
		{"three digits", []string{"application/json;q=0.998, text/event-stream;q=0.999"}, mediaEvents},
		{"equal quality, named first", []string{"application/x-ndjson, application/json"}, mediaLines},
		{"equal quality, named first over fields", []string{"text/event-stream", "application/json"}, mediaEvents},
		{"excluded", []string{"application/json;q=0, */*"}, mediaEvents},
		{"specific exclusion wins over a range", []string{"text/event-stream;q=0, text/*, application/x-ndjson;q=0.1"}, mediaLines},
		{"excluded everything", []string{"*/*;q=0"}, mediaNone},
		{"unknown", []string{"text/html"}, mediaNone},
		{"unknown major", []string{"image/*, text/html;q=0.4"}, mediaNone},
		{"charset parameter", []string{"application/json; charset=utf-8"}, mediaJSON},
		{"parameter with a comma in quotes", []string{`text/event-stream;a="x,application/json;q=1"`}, mediaEvents},
		{"parameter with an escaped quote", []string{`text/event-stream;a="\",application/json"`}, mediaEvents},
		{"q in upper case", []string{"application/json;Q=0.1, text/event-stream;Q=0.2"}, mediaEvents},
		{"white space", []string{" \t text/event-stream \t ; \t q=1.000 "}, mediaEvents},
		{"quality over one is skipped", []string{"text/event-stream;q=2, application/x-ndjson;q=0.1"}, mediaLines},
		{"negative quality is skipped", []string{"text/event-stream;q=-1, application/x-ndjson;q=0.1"}, mediaLines},
		{"quality that is not a number is skipped", []string{"text/event-stream;q=NaN, application/x-ndjson;q=0.1"}, mediaLines},
		{"infinite quality is skipped", []string{"text/event-stream;q=inf, application/x-ndjson;q=0.1"}, mediaLines},
		{"exponents are no qualities", []string{"text/event-stream;q=1e0, application/x-ndjson;q=0.1"}, mediaLines},
		{"only malformed", []string{"text/event-stream;q=x"}, mediaNone},
		{"no subtype", []string{"text"}, mediaNone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := negotiate(test.accept); got != test.want {
				t.Errorf("negotiate(%q) = %v, want %v", test.accept, got, test.want)
			}
		})
	}
}

// The time to read a field grows with its length, not with the square of it.
func TestNegotiateIsLinear(t *testing.T) {
	for _, element := range []string{"a/b,", ";", `"`, `a;b="\`, " ", ","} {
		long := strings.Repeat(element, 1<<20/len(element))
		negotiate([]string{long})
		preferredWait([]string{long}, 60)
	}
}

func FuzzNegotiate(f *testing.F) {
	for _, seed := range []string{"", "*/*", "text/event-stream;q=0.5, */*;q=0.1", `a/b;c="d,e\"";q=1`, "application/json;q=0", "*;q=.2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		got := negotiate([]string{accept})
		// What a client likes above everything else is what it gets.
		for _, offer := range offers {
			if got := negotiate([]string{offer.name, strings.ToUpper(offer.name)}); got != offer.media {
				t.Fatalf("%s: got %v", offer.name, got)
			}
		}
		// An exclusion of everything by name leaves nothing, whatever else is
		// said behind it, as the first range of a specificity counts.
		var exclusions []string
		for _, offer := range offers {
			exclusions = append(exclusions, offer.name+";q=0")
		}
		if got := negotiate(append(exclusions, accept)); got != mediaNone {
			t.Fatalf("with everything excluded, %q gives %v", accept, got)
		}
		// A media type that is not offered changes nothing.
		if accept != "" && !strings.ContainsAny(accept, `"`) && strings.Trim(accept, " \t,") != "" {
			if with := negotiate([]string{"image/png", accept}); with != got {
				t.Fatalf("%q gives %v, with image/png in front %v", accept, got, with)
			}
		}
	})
}
