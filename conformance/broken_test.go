package conformance_test

import (
	"context"
	"crypto/rand"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/ws/wire"
)

func handshakeRandom() (b [16]byte) {
	rand.Read(b[:])
	return b
}

// TestBrokenServer breaks a server in one way at a time. What is about that must
// fail, and nothing else may.
func TestBrokenServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		broken faults
		run    []string // only these, since what fails by silence takes its time
		fail   []string // every case that matches must fail
		lax    []string // every case that matches must not be strict
		may    []string // what else may fail or not be strict
	}{
		"text is not validated": {faults{noUTF8: true, deflate: true}, []string{"utf8", "framing", "deflate/utf8-*", "close"},
			[]string{"utf8/bad-*", "utf8/good-then-bad", "utf8/not-across-messages", "deflate/utf8-lone-80", "close/end-after-utf8"},
			nil, []string{"utf8/*", "deflate/utf8-*"}},
		"text is validated late": {faults{lateUTF8: true}, []string{"utf8"}, nil,
			[]string{"utf8/bad-*-early", "utf8/within-frame-early"}, []string{"utf8/within-long-frame-early"}},
		"unmasked frames are accepted": {faults{anyMask: true}, []string{"framing", "utf8"},
			[]string{"framing/unmasked-text", "framing/unmasked-binary", "framing/unmasked-ping", "framing/wrong-mask-later-text", "framing/wrong-mask-fragment"},
			nil, []string{"framing/unmasked-*", "framing/wrong-mask-*"}},
		"reserved bits are ignored": {faults{anyRSV: true}, []string{"reserved", "framing"},
			[]string{"reserved/text-*", "reserved/ping-*", "reserved/later-*", "reserved/bytewise-*"}, nil, []string{"reserved/*"}},
		"reserved opcodes are ignored": {faults{anyOpcode: true, anyOrder: true}, []string{"opcodes", "pings"},
			[]string{"opcodes/3-payload", "opcodes/b-payload", "opcodes/f-empty", "opcodes/?-together"}, nil, []string{"opcodes/*"}},
		"control frames have no limit": {faults{anyControl: true}, []string{"lengths/control-*", "pings"},
			[]string{"lengths/control-ping-126", "lengths/control-pong-1000", "pings/fragmented", "pings/pong-fragmented"},
			nil, []string{"lengths/control-*", "pings/fragmented-continued", "pings/close-fragmented"}},
		"fragments come in any order": {faults{anyOrder: true}, []string{"fragmentation", "framing"},
			[]string{"fragmentation/orphan", "fragmentation/orphan-later", "fragmentation/*-interleaved-text"},
			nil, []string{"fragmentation/orphan*", "fragmentation/*-interleaved-*"}},
		"lengths need not be minimal": {faults{anyLength: true}, []string{"lengths/long-form-*", "lengths/text-126"},
			nil, []string{"lengths/long-form-*"}, nil},
		"control frames may have long lengths": {faults{anyLength: true, anyControl: true}, []string{"lengths/control-*-long-form", "pings/payload-125"},
			nil, []string{"lengths/control-*-long-form"}, nil},
		"pings are not answered": {faults{noPong: true}, []string{"pings/empty", "pings/payload-1*", "pings/pong-unsolicited"},
			[]string{"pings/empty", "pings/payload-1*"}, nil, nil},
		"pongs are empty": {faults{emptyPong: true}, []string{"pings/empty", "pings/payload-1", "pings/bytes-not-utf8"},
			[]string{"pings/payload-1", "pings/bytes-not-utf8"}, nil, nil},
		"pongs wait for the message": {faults{allPongsLate: true}, []string{"pings/in-message*", "pings/payload-1"},
			[]string{"pings/in-message-waiting"}, nil, []string{"pings/in-message-each"}},
		"a byte is lost at 126": {faults{dropLast: true}, []string{"lengths/text-12?", "lengths/binary-12?"},
			[]string{"lengths/text-126", "lengths/binary-126"}, nil, nil},
		"messages are echoed after closing": {faults{echoAfterClose: true}, []string{"close/then-*", "close/code-1000"},
			[]string{"close/then-text", "close/then-binary"}, nil, []string{"close/then-*", "close/code-1000"}},
		"close frames are echoed unseen": {faults{anyCloseCode: true}, []string{"close"},
			[]string{"close/bad-code-*", "close/one-byte", "close/reason-bad-*", "close/undefined-code-*"}, nil, []string{"close/end-after-close-code"}},
		"every close is answered with 1000": {faults{closeWith: wire.CloseNormal}, []string{"close/code-*"},
			nil, []string{"close/code-1001", "close/code-4999"}, []string{"close/code-*"}},
		"faults end with 1000": {faults{failWith: wire.CloseNormal}, []string{"opcodes/3-*", "utf8/bad-byte-fe"},
			nil, []string{"opcodes/3-*", "utf8/bad-byte-fe"}, nil},
		"faults end in silence": {faults{failSilently: true}, []string{"opcodes/3-*", "utf8/bad-byte-fe", "framing/unmasked-text"},
			nil, []string{"opcodes/3-*", "utf8/bad-byte-fe"}, nil},
		"faults end nothing": {faults{neverFails: true}, []string{"opcodes/3-empty", "reserved/text-empty-???"},
			[]string{"opcodes/3-empty", "reserved/text-empty-???"}, nil, nil},
		"the transport stays open": {faults{staysOpen: true}, []string{"close/code-1000", "close/end-after-opcode", "framing/binary"},
			[]string{"close/code-1000", "close/end-after-opcode"}, nil, nil},
		"every request is accepted": {faults{anyRequest: true}, []string{"opening/bad-*"},
			[]string{"opening/bad-method-post", "opening/bad-upgrade-missing", "opening/bad-key-missing", "opening/bad-version-14", "opening/bad-connection-close"},
			[]string{"opening/bad-key-short"}, []string{"opening/bad-*"}},
		"no version is told": {faults{tellsNoVersion: true}, []string{"opening/bad-version-*"}, nil, []string{"opening/bad-version-[^m]*", "opening/bad-version-minus"}, nil},
		"early bytes are lost": {faults{dropEarly: true}, []string{"framing/too-early", "framing/text"},
			nil, []string{"framing/too-early"}, nil},

		"the window is not kept to": {faults{deflate: true, ignoresBits: true}, []string{"deflate/window-*"},
			[]string{"deflate/window-server-8", "deflate/window-server-9", "deflate/window-server-1[0-4]"}, nil, []string{"deflate/window-both-9"}},
		"messages do not stand alone": {faults{deflate: true, ignoresNoTakeover: true}, []string{"deflate/takeover-none*", "deflate/takeover-same"},
			[]string{"deflate/takeover-none-server", "deflate/takeover-none"}, nil, nil},
		"a window is imposed that was not offered": {faults{deflate: true, answersUnofferedBits: true}, []string{"deflate/text-100", "deflate/offer-*"},
			[]string{"deflate/offer-plain"}, nil, []string{"deflate/offer-*"}},
		"parameters are not read": {faults{deflate: true, anyParams: true}, []string{"deflate/decline-*", "deflate/takeover-none-server"},
			[]string{"deflate/decline-server-bits-*", "deflate/decline-unknown", "deflate/decline-repeated-*", "deflate/takeover-none-server"}, nil, []string{"deflate/decline-*"}},
		"truncated data are passed on": {faults{deflate: true, truncatesInflated: true}, []string{"deflate/corrupt-later-stored-short", "deflate/text-100"},
			[]string{"deflate/corrupt-later-stored-short"}, nil, nil},
		"RSV1 is ignored with compression": {faults{deflate: true, anyRSV: true}, []string{"deflate/rsv*"},
			[]string{"deflate/rsv1-ping", "deflate/rsv1-pong", "deflate/rsv2", "deflate/rsv3"}, nil, []string{"deflate/rsv*"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				report, err := conformance.RunServerOver(t.Context(), miniURL, conformance.Options{Only: c.run}, miniWires(t, c.broken))
				if err != nil {
					t.Fatal(err)
				}
				checkBroken(t, report, c.fail, c.lax, c.may)
			})
		})
	}
}

// miniURL is what wires to a mini are for; nobody looks it up.
const miniURL = "ws://mini.example"

func miniWires(t *testing.T, f faults) func(context.Context, string, string) (net.Conn, error) {
	return wires(t, func(nc net.Conn) { (&mini{faults: f}).accept(nc) })
}

// TestNoEchoServer breaks a server so that not even one message comes back: then
// there is nothing to run cases against, and the reason is told once.
func TestNoEchoServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		broken faults
		reason string
	}{
		"frames are masked":              {faults{maskOut: true}, "masked frame"},
		"types are swapped":              {faults{swapTypes: true}, "a binary message"},
		"the echo never ends":            {faults{splitText: true}, "did not come back in time"},
		"the answer to the key is wrong": {faults{wrongAccept: true}, "Sec-WebSocket-Accept must be"},
		"the response is 200":            {faults{wrongStatus: true}, "answered 200 instead of 101"},
		"the response has no Upgrade":    {faults{noUpgrade: true}, "Upgrade: websocket"},
		"close codes are invalid":        {faults{closeWith: 1006}, "close code 1006"},
		"a subprotocol is made up":       {faults{unofferedSub: true}, "Sec-WebSocket-Protocol"},
		"an extension is made up":        {faults{unofferedExtension: true}, "was not offered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				_, err := conformance.RunServerOver(t.Context(), miniURL, conformance.Options{}, miniWires(t, c.broken))
				if err == nil || !strings.Contains(err.Error(), c.reason) {
					t.Errorf("the error is %v and should say %q", err, c.reason)
				}
			})
		})
	}
}

// TestBrokenClient is TestBrokenServer for clients.
func TestBrokenClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		broken         faults
		run            []string
		fail, lax, may []string
	}{
		"nothing is broken": {faults{}, []string{"framing", "lengths", "pings", "reserved", "opcodes", "fragmentation", "utf8", "close", "opening/response-bad-*", "opening/request-*"}, nil, nil, nil},
		"frames are not masked": {faults{bare: true}, []string{"framing/text", "pings/empty", "close/code-1000"},
			[]string{"framing/text", "pings/empty", "close/code-1000"}, nil, nil},
		"one mask is used for ever": {faults{fixedMask: true}, []string{"framing/mask-*", "framing/text"},
			[]string{"framing/mask-fresh", "framing/mask-random", "framing/mask-length-1"}, nil, []string{"framing/mask-*", "framing/text"}},
		"masks hide nothing":         {faults{zeroMask: true}, []string{"framing/mask-fresh"}, []string{"framing/mask-fresh"}, nil, nil},
		"masked frames are accepted": {faults{anyMask: true}, []string{"framing/masked-*"}, []string{"framing/masked-text", "framing/masked-ping"}, nil, []string{"framing/masked-*"}},
		"text is not validated":      {faults{noUTF8: true}, []string{"utf8"}, []string{"utf8/bad-*"}, nil, []string{"utf8/*"}},
		"every response is accepted": {faults{anyResponse: true}, []string{"opening/response-bad-*", "subprotocol/answer-*"},
			[]string{"opening/response-bad-accept-*", "opening/response-bad-upgrade-missing", "opening/response-bad-extension-unoffered", "subprotocol/answer-unoffered"},
			nil, []string{"opening/response-bad-*", "subprotocol/answer-*"}},
		"early bytes are lost as a client": {faults{dropEarly: true}, []string{"framing/early-*", "pings/with-opening"},
			[]string{"framing/early-*", "pings/with-opening"}, nil, nil},
		"keys repeat": {faults{sameKey: true}, []string{"framing", "opening/request-key-fresh"}, []string{"opening/request-key-fresh"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ln := newWireListener()
				report, err := runClientOver(t, ln, ln.dial, func(ctx context.Context, target string) error {
					u, err := url.Parse(target)
					if err != nil {
						return err
					}
					nc, err := ln.dial(ctx, "", "")
					if err != nil {
						return err
					}
					return (&mini{faults: c.broken}).connect(nc, u.Host, u.RequestURI())
				}, conformance.Options{Only: c.run})
				if err != nil {
					t.Fatal(err)
				}
				checkBroken(t, report, c.fail, c.lax, c.may)
			})
		})
	}
}

// checkBroken wants the verdicts of a broken peer.
func checkBroken(t *testing.T, report *conformance.Report, fail, lax, may []string) {
	t.Helper()
	matches := func(patterns []string, id string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			ok, err := path.Match(p, id)
			if err != nil {
				t.Fatal(err)
			}
			return ok
		})
	}
	for _, p := range slices.Concat(fail, lax) {
		if !slices.ContainsFunc(report.Results, func(r conformance.Result) bool { return matches([]string{p}, r.ID) }) {
			t.Errorf("no case that was run matches %q", p)
		}
	}
	for _, r := range report.Results {
		bad := r.Verdict == conformance.Fail || r.Verdict == conformance.NonStrict
		switch {
		case matches(lax, r.ID):
			if r.Verdict != conformance.NonStrict {
				t.Errorf("%s: %s and should be non-strict: %s\n%s", r.ID, r.Verdict, r.Detail, showLog(r.Log))
			}
		case matches(may, r.ID) && bad:
		case matches(fail, r.ID):
			// A case of the same name that the fault does not touch is listed in may.
			if r.Verdict != conformance.Fail {
				t.Errorf("%s: %s and should fail: %s\n%s", r.ID, r.Verdict, r.Detail, showLog(r.Log))
			}
		case bad && !matches(may, r.ID):
			t.Errorf("%s: %s, which the fault does not explain: %s\n%s", r.ID, r.Verdict, r.Detail, showLog(r.Log))
		}
	}
}

// serveMini runs a mini for the time of the test.
func serveMini(t *testing.T, f faults) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			conns.Go(func() {
				(&mini{faults: f}).accept(conn)
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for conn := range open {
			conn.Close()
		}
		mu.Unlock()
		conns.Wait()
	})
	return "ws://" + ln.Addr().String()
}
