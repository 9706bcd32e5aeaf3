package transport

import (
	"net/http"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

// Cookies count only where no page of somebody else can have made a browser send them,
// whatever is admitted without them.
func TestCookiesThatCount(t *testing.T) {
	h := newHub(t, nil, nil)
	for _, row := range []struct {
		origins []string
		fields  fields
		want    bool
	}{
		{nil, nil, true},
		{nil, fields{"Sec-Fetch-Site", "same-origin"}, true},
		{nil, fields{"Sec-Fetch-Site", "none"}, true},
		{nil, fields{"Sec-Fetch-Site", "cross-site"}, false},
		{nil, fields{"Sec-Fetch-Site", "same-site"}, false},
		{nil, fields{"Sec-Fetch-Site", "something-new"}, false},
		{nil, fields{"Origin", "http://example.com"}, true},
		{nil, fields{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin"}, true},
		{nil, fields{"Origin", "http://evil.example"}, false},
		{nil, fields{"Origin", "http://evil.example", "Sec-Fetch-Site", "none"}, false},
		{nil, fields{"Origin", "null"}, false},
		{nil, fields{"Origin", "http://example.com", "Origin", "http://evil.example"}, false},
		{nil, fields{"Origin", "http://example.com.evil.example"}, false},
		{[]string{"https://app.example.net"}, fields{"Origin", "https://app.example.net", "Sec-Fetch-Site", "cross-site"}, true},
		{[]string{"https://app.example.net"}, fields{"Origin", "http://app.example.net"}, false},
		{[]string{"https://*.example.net"}, fields{"Origin", "https://app.example.net"}, true},
		{[]string{"*"}, fields{"Origin", "http://evil.example"}, false},
		{[]string{"*"}, fields{"Origin", "null"}, false},
		{[]string{"*"}, fields{"Origin", "http://example.com"}, true},
		{[]string{"*"}, fields{"Sec-Fetch-Site", "cross-site"}, false},
		{[]string{"null"}, fields{"Origin", "null"}, false},
		{[]string{"chrome-extension://*"}, fields{"Origin", "chrome-extension://abc"}, false},
	} {
		origins, err := handshake.ParseOrigins(row.origins)
		if err != nil {
			t.Fatal(err)
		}
		transport := newTransport(h, &Options{Origins: origins, Logger: quiet()})
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://example.com/channels/a", nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(row.fields); i += 2 {
			r.Header.Add(row.fields[i], row.fields[i+1])
		}
		if got := transport.RequestOf(r).AdmitsCookies(); got != row.want {
			t.Errorf("with origins %q, %q: %v", row.origins, row.fields, got)
		}
	}
}
