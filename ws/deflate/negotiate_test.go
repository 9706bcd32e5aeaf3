package deflate

import (
	"strings"
	"testing"

	"github.com/godwit-io/godwit/ws/handshake"
)

func parse(t testing.TB, field string) []handshake.Extension {
	t.Helper()
	list, err := handshake.ParseExtensions([]string{field})
	if err != nil {
		t.Fatalf("%q: %v", field, err)
	}
	return list
}

func write(t testing.TB, e handshake.Extension) string {
	t.Helper()
	b, err := handshake.AppendExtension(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(string(b), Name)
}

// In this file pmd stands for the extension's name, and parameters for themselves.
const pmd = Name

func TestAccept(t *testing.T) {
	none := Params{false, false, 15, 15}
	for _, test := range []struct {
		name    string
		options Options
		offer   string
		answer  string // without the name; "-" when declined
		params  Params
	}{
		{"plain", Options{}, pmd, "", none},
		{"a browser's", Options{}, pmd + "; client_max_window_bits", "", none},
		{"other extensions", Options{}, "x-webkit-deflate-frame, foo; " + pmd + ", " + pmd, "", none},
		{"not offered", Options{}, "permessage-bzip2, x-webkit-deflate-frame", "-", Params{}},
		{"another case", Options{}, "Permessage-Deflate", "-", Params{}},

		// RFC 7692 §7.1.1.
		{"server alone", Options{}, pmd + "; server_no_context_takeover",
			"; server_no_context_takeover", Params{true, false, 15, 15}},
		{"client alone", Options{}, pmd + "; client_no_context_takeover",
			"; client_no_context_takeover", Params{false, true, 15, 15}},
		{"both, as gorilla offers", Options{}, pmd + "; server_no_context_takeover; client_no_context_takeover",
			"; server_no_context_takeover; client_no_context_takeover", Params{true, true, 15, 15}},
		{"demanded without being offered", Options{ServerNoContextTakeover: true, ClientNoContextTakeover: true}, pmd,
			"; server_no_context_takeover; client_no_context_takeover", Params{true, true, 15, 15}},
		{"a flag with a value", Options{}, pmd + "; server_no_context_takeover=true", "-", Params{}},
		{"the other flag with a value", Options{}, pmd + "; client_no_context_takeover=1", "-", Params{}},

		// §7.1.2.1: never larger than offered.
		{"server bits", Options{}, pmd + "; server_max_window_bits=10", "; server_max_window_bits=10", Params{false, false, 10, 15}},
		{"the most", Options{}, pmd + "; server_max_window_bits=15", "; server_max_window_bits=15", none},
		{"the least, which zlib cannot do", Options{}, pmd + "; server_max_window_bits=8", "; server_max_window_bits=8", Params{false, false, 8, 15}},
		{"less than offered", Options{ServerMaxWindowBits: 9}, pmd + "; server_max_window_bits=12", "; server_max_window_bits=9", Params{false, false, 9, 15}},
		{"not more than offered", Options{ServerMaxWindowBits: 12}, pmd + "; server_max_window_bits=9", "; server_max_window_bits=9", Params{false, false, 9, 15}},
		{"not offered, but announced", Options{ServerMaxWindowBits: 12}, pmd, "; server_max_window_bits=12", Params{false, false, 12, 15}},
		{"quoted", Options{}, pmd + `; server_max_window_bits="10"`, "; server_max_window_bits=10", Params{false, false, 10, 15}},
		{"quoted with a backslash", Options{}, pmd + `; server_max_window_bits="1\0"`, "; server_max_window_bits=10", Params{false, false, 10, 15}},

		// §7.1.2.2: only if it was offered, and never larger.
		{"client bits not offered", Options{ClientMaxWindowBits: 10}, pmd, "", none},
		{"client bits open", Options{ClientMaxWindowBits: 10}, pmd + "; client_max_window_bits", "; client_max_window_bits=10", Params{false, false, 15, 10}},
		{"client bits with a hint", Options{}, pmd + "; client_max_window_bits=10", "; client_max_window_bits=10", Params{false, false, 15, 10}},
		{"the hint is less", Options{ClientMaxWindowBits: 12}, pmd + "; client_max_window_bits=9", "; client_max_window_bits=9", Params{false, false, 15, 9}},
		{"the hint is more", Options{ClientMaxWindowBits: 9}, pmd + "; client_max_window_bits=12", "; client_max_window_bits=9", Params{false, false, 15, 9}},
		{"the hint is the most", Options{}, pmd + "; client_max_window_bits=15", "", none},
		{"the hint is the least", Options{}, pmd + "; client_max_window_bits=8", "; client_max_window_bits=8", Params{false, false, 15, 8}},

		{"everything", Options{ServerMaxWindowBits: 11, ClientMaxWindowBits: 12},
			pmd + "; client_max_window_bits; server_max_window_bits=13; client_no_context_takeover; server_no_context_takeover",
			"; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; client_max_window_bits=12",
			Params{true, true, 11, 12}},

		// §7.1: declined.
		{"unknown parameter", Options{}, pmd + "; foo", "-", Params{}},
		{"unknown parameter with a value", Options{}, pmd + "; server_max_window_bits=10; level=9", "-", Params{}},
		{"parameter in another case", Options{}, pmd + "; Server_No_Context_Takeover", "-", Params{}},
		{"repeated flag", Options{}, pmd + "; server_no_context_takeover; server_no_context_takeover", "-", Params{}},
		{"repeated bits", Options{}, pmd + "; server_max_window_bits=10; server_max_window_bits=10", "-", Params{}},
		{"repeated with and without a value", Options{}, pmd + "; client_max_window_bits; client_max_window_bits=10", "-", Params{}},
		{"server bits without a value", Options{}, pmd + "; server_max_window_bits", "-", Params{}},

		// Alternatives, in the client's order.
		{"the first that can be honoured", Options{}, pmd + "; foo, " + pmd + "; server_max_window_bits=16, " +
			pmd + "; server_max_window_bits=11, " + pmd, "; server_max_window_bits=11", Params{false, false, 11, 15}},
		{"none can be", Options{}, pmd + "; foo, " + pmd + "; bar", "-", Params{}},

		// Options out of range are brought into it.
		{"own bits too small", Options{ServerMaxWindowBits: 1, ClientMaxWindowBits: 7}, pmd + "; client_max_window_bits",
			"; server_max_window_bits=8; client_max_window_bits=8", Params{false, false, 8, 8}},
		{"own bits too large", Options{ServerMaxWindowBits: 99, ClientMaxWindowBits: 16}, pmd + "; client_max_window_bits", "", none},
	} {
		p, response, ok := Accept(parse(t, test.offer), &test.options)
		answer := "-"
		if ok {
			answer = write(t, response)
		}
		if answer != test.answer || p != test.params {
			t.Errorf("%s: %q, %+v, want %q, %+v", test.name, answer, p, test.answer, test.params)
		}
	}
	if _, _, ok := Accept(parse(t, pmd), nil); !ok {
		t.Error("nil options do not work")
	}
	if _, _, ok := Accept(nil, nil); ok {
		t.Error("what nobody offered was accepted")
	}
}

// badBits are what window bits may not be, from either side.
var badBits = []string{"", "0", "1", "7", "16", "17", "99", "08", "09", "010", "015", "0008", "8.0", "8a", "a8", "0x8",
	"1e1", "-8", "+8", "100", "1000000000000000000000", "true", "18446744073709551624"}

func TestWindowBits(t *testing.T) {
	for bits := WindowBitsMin; bits <= WindowBitsMax; bits++ {
		value := string([]byte{byte('0' + bits%10)})
		if bits >= 10 {
			value = "1" + value
		}
		if got, ok := parseWindowBits(value); !ok || got != bits {
			t.Errorf("%q: %d, %t", value, got, ok)
		}
	}
	for _, name := range []string{serverMaxWindowBits, clientMaxWindowBits} {
		for _, value := range badBits {
			// The grammar of the field has no empty values, but another parser may.
			e := handshake.Extension{Name: pmd, Params: []handshake.Param{{Name: name, Value: value, HasValue: true}}}
			if p, _, ok := Accept([]handshake.Extension{e}, nil); ok {
				t.Errorf("an offer of %s=%q was accepted: %+v", name, value, p)
			}
			if p, ok, err := CheckResponse([]handshake.Extension{e}, Offer(nil)); err == nil || ok {
				t.Errorf("a response of %s=%q was accepted: %+v", name, value, p)
			}
		}
	}
}

func TestOffer(t *testing.T) {
	for _, test := range []struct {
		options *Options
		want    string
	}{
		{nil, "; client_max_window_bits"},
		{&Options{ServerNoContextTakeover: true}, "; server_no_context_takeover; client_max_window_bits"},
		{&Options{ClientNoContextTakeover: true}, "; client_no_context_takeover; client_max_window_bits"},
		{&Options{ServerMaxWindowBits: 10}, "; server_max_window_bits=10; client_max_window_bits"},
		{&Options{ClientMaxWindowBits: 10}, "; client_max_window_bits=10"},
		{&Options{ServerMaxWindowBits: 99, ClientMaxWindowBits: 1}, "; client_max_window_bits=8"},
	} {
		if got := write(t, Offer(test.options)); got != test.want {
			t.Errorf("%+v: %q, want %q", test.options, got, test.want)
		}
	}
}

func TestCheckResponse(t *testing.T) {
	const open = pmd + "; client_max_window_bits"
	for _, test := range []struct {
		name            string
		offer, response string // "" for no element
		params          Params
		reason          string // part of the error; "-" when nothing was accepted
	}{
		{"plain", open, pmd, Params{false, false, 15, 15}, ""},
		{"none", open, "", Params{}, "-"},
		{"others", open, "foo, bar; baz", Params{}, "-"},
		{"with others", open, "foo, " + pmd, Params{false, false, 15, 15}, ""},
		{"not offered", "", pmd, Params{}, "not offered"},
		{"twice", open, pmd + ", " + pmd, Params{}, "once only"},
		{"twice, apart", open, pmd + ", foo, " + pmd, Params{}, "once only"},

		// What a server may demand without being asked: §7.1.1.1, §7.1.1.2, §7.1.2.1.
		{"all it may say", open, pmd + "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10",
			Params{true, true, 9, 10}, ""},
		{"quoted", open, pmd + `; client_max_window_bits="8"`, Params{false, false, 15, 8}, ""},

		{"server alone not confirmed", pmd + "; server_no_context_takeover", pmd, Params{}, "must be confirmed"},
		{"client alone not confirmed", pmd + "; client_no_context_takeover", pmd, Params{false, true, 15, 15}, ""},

		{"server bits confirmed", pmd + "; server_max_window_bits=10", pmd + "; server_max_window_bits=10", Params{false, false, 10, 15}, ""},
		{"server bits less", pmd + "; server_max_window_bits=10", pmd + "; server_max_window_bits=8", Params{false, false, 8, 15}, ""},
		{"server bits more", pmd + "; server_max_window_bits=10", pmd + "; server_max_window_bits=11", Params{}, "more than was offered"},
		{"server bits not confirmed", pmd + "; server_max_window_bits=10", pmd, Params{}, "must be confirmed"},

		{"client bits not offered", pmd, pmd + "; client_max_window_bits=10", Params{}, "not offered"},
		{"client bits as offered", pmd + "; client_max_window_bits=10", pmd + "; client_max_window_bits=10", Params{false, false, 15, 10}, ""},
		{"client bits less", pmd + "; client_max_window_bits=10", pmd + "; client_max_window_bits=8", Params{false, false, 15, 8}, ""},
		{"client bits more", pmd + "; client_max_window_bits=10", pmd + "; client_max_window_bits=11", Params{}, "more than was offered"},
		{"client bits not confirmed", pmd + "; client_max_window_bits=10", pmd, Params{false, false, 15, 10}, ""},
		{"client bits without a value", open, open, Params{}, "8 to 15"},

		{"unknown parameter", open, pmd + "; foo", Params{}, "no parameter"},
		{"repeated parameter", open, pmd + "; server_max_window_bits=9; server_max_window_bits=9", Params{}, "twice"},
		{"a flag with a value", open, pmd + "; server_no_context_takeover=1", Params{}, "no value"},
		{"malformed offer", pmd + "; foo", pmd, Params{}, "malformed"},
	} {
		var offer handshake.Extension
		if test.offer != "" {
			offer = parse(t, test.offer)[0]
		}
		p, ok, err := CheckResponse(parse(t, test.response), offer)
		if accepted := test.reason == ""; ok != accepted || p != test.params {
			t.Errorf("%s: %+v, %t, %v, want %+v", test.name, p, ok, err, test.params)
		}
		wantErr := test.reason != "" && test.reason != "-"
		if (err != nil) != wantErr || err != nil && !strings.Contains(err.Error(), test.reason) {
			t.Errorf("%s: error %v, want %q", test.name, err, test.reason)
		}
	}
}

// Both agree on a server's answer to a client's offer, whatever they want.
func TestNegotiationAgrees(t *testing.T) {
	for i := range 1 << 10 {
		wants := func(i int) *Options {
			return &Options{
				ServerNoContextTakeover: i&1 != 0,
				ClientNoContextTakeover: i&2 != 0,
				ServerMaxWindowBits:     []int{0, 8, 11, 15}[i>>2&3],
				ClientMaxWindowBits:     []int{0, 8, 12, 14}[i>>3&3],
			}
		}
		client, server := wants(i), wants(i>>5)
		offer := Offer(client)
		p, response, ok := Accept([]handshake.Extension{offer}, server)
		if !ok {
			t.Fatalf("%+v was declined", client)
		}
		q, ok, err := CheckResponse([]handshake.Extension{response}, offer)
		if err != nil || !ok || p != q {
			t.Fatalf("client %+v, server %+v: the server says %+v, the client %+v, %v", client, server, p, q, err)
		}
		if p.ServerMaxWindowBits > windowBits(client.ServerMaxWindowBits) || p.ClientMaxWindowBits > windowBits(server.ClientMaxWindowBits) {
			t.Fatalf("client %+v, server %+v: %+v is more than was asked for", client, server, p)
		}
		if p.FromServer() != (Direction{p.ServerNoContextTakeover, p.ServerMaxWindowBits}) ||
			p.FromClient() != (Direction{p.ClientNoContextTakeover, p.ClientMaxWindowBits}) {
			t.Fatal("the directions are mixed up")
		}
	}
}

// Errors hold no raw text of the peer.
func TestResponseErrorQuotes(t *testing.T) {
	e := handshake.Extension{Name: pmd, Params: []handshake.Param{{Name: strings.Repeat("\x1b", 1000)}}}
	_, _, err := CheckResponse([]handshake.Extension{e}, Offer(nil))
	if err == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("%q", err)
	}
}
