package server

import (
	"encoding/json"
	"fmt"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/httpsyntax"
	"github.com/godwit-io/godwit/internal/jsonpointer"
	"github.com/godwit-io/godwit/server/bridge"
	"github.com/godwit-io/godwit/server/bridge/feed"
)

// Bridge follows the WebSocket of somebody else and publishes what that sends (bridges).
type Bridge struct {
	Name string // in logs, metrics and lists: letters, digits, - and _
	URL  Secret // ws:// or wss://; a reference, if it has a key

	Headers     []BridgeHeader // of the handshake
	Subprotocol string         // that is asked for; default none

	Login Secret   // the first message, if it is a secret; default none
	Send  []string // messages that are sent next; default none

	Subscriptions []BridgeSubscription

	// Failure are conditions of which one means that the upstream has refused something. Answers of JSON-RPC
	// that are errors are known without it.
	Failure []string

	Ping        time.Duration // silence after which a ping is sent, and how long the upstream may take to show that it lives; default 20 s
	PingMessage string        // is sent every Ping, too: what the upstream calls a ping; default none
	Idle        time.Duration // for how long no message may come; default for ever, if pings are answered
	Timeout     time.Duration // for the connection, and for answers of JSON-RPC; default 10 s

	Backoff BridgeBackoff

	MessageBytes int // the longest message that is read; default 1 MiB
	ChannelsMax  int // channels that messages may name; default 10,000

	TLS BridgeTLS
}

// BridgeHeader is a field of a handshake.
type BridgeHeader struct {
	Name  string
	Value Secret
}

// BridgeBackoff is the pause before another attempt, drawn up to a bound that doubles.
type BridgeBackoff struct {
	Min time.Duration // default 500 ms
	Max time.Duration // default 30 s
}

// BridgeTLS is how an upstream is verified. The zero value trusts the authorities of the system.
type BridgeTLS struct {
	CA                 string // a PEM file with the authorities that are trusted instead
	InsecureSkipVerify bool   // takes anybody for the upstream
}

// BridgeSubscription is a kind of messages, and where they go. The first one that takes a message has it.
type BridgeSubscription struct {
	Send   string   // asks the upstream for the messages; default nothing, they come by themselves
	Match  []string // conditions that all have to hold, such as "/type = trade"; default none
	Ignore []string // conditions of which none may hold; default none

	Channel string // a name, or a text with JSON pointers in braces
	Data    string // JSON pointer to what is published; default the whole message
	Event   string // text with JSON pointers in braces; default none
	Key     string // the same
	ID      string // the same; of messages with one ID only the first is published
}

var bridgeSettings = table([]row[Bridge]{
	{"name", func(b *Bridge) any { return &b.Name }, needed(rule{check: checkText(checkBridgeName), pattern: bridgeNamePattern}), "What the bridge is called in logs, metrics and lists"},
	{"url", func(b *Bridge) any { return &b.URL }, needed(secret), "ws:// or wss://, or a reference such as env:FEED_URL"},
	{"headers", func(b *Bridge) any { return &b.Headers }, sections(bridgeHeaderSettings), "Fields of the handshake"},
	{"subprotocol", func(b *Bridge) any { return &b.Subprotocol }, text(checkSubprotocol), "Subprotocol that is asked for"},
	{"login", func(b *Bridge) any { return &b.Login }, secret, "The first message, if it is a secret, as env:NAME or file:PATH"},
	{"send", func(b *Bridge) any { return &b.Send }, oneOr(sentence(checkRequest)), "Messages that are sent next, as JSON"},
	{"subscriptions", func(b *Bridge) any { return &b.Subscriptions }, needed(sections(bridgeSubscriptionSettings)), "Messages that are asked for, and where they go"},
	{"failure", func(b *Bridge) any { return &b.Failure }, oneOr(sentence(checkFilter)), "Conditions of which one means that the upstream has refused something"},
	{"ping", func(b *Bridge) any { return &b.Ping }, duration(time.Second, time.Hour), "Silence after which the upstream has to show that it lives"},
	{"ping_message", func(b *Bridge) any { return &b.PingMessage }, text(checkRequest), "Message that is sent every ping, as JSON"},
	{"idle", func(b *Bridge) any { return &b.Idle }, duration(time.Second, 24*time.Hour), "For how long no message may come; for ever if it is not set"},
	{"timeout", func(b *Bridge) any { return &b.Timeout }, duration(100*time.Millisecond, 5*time.Minute), "For the connection, and for answers of JSON-RPC"},
	{"backoff.min", func(b *Bridge) any { return &b.Backoff.Min }, duration(10*time.Millisecond, time.Hour), "Pause before another attempt, at first"},
	{"backoff.max", func(b *Bridge) any { return &b.Backoff.Max }, duration(10*time.Millisecond, time.Hour), "Pause before another attempt, at most"},
	{"message_bytes", func(b *Bridge) any { return &b.MessageBytes }, number(1<<10, 64<<20), "The longest message that is read"},
	{"channels_max", func(b *Bridge) any { return &b.ChannelsMax }, number(1, 1_000_000), "Channels that messages may name"},
	{"tls.ca", func(b *Bridge) any { return &b.TLS.CA }, path, "PEM file with the authorities that the upstream's certificate is of"},
	{"tls.insecure_skip_verify", func(b *Bridge) any { return &b.TLS.InsecureSkipVerify }, anything, "Take anybody for the upstream, whatever the certificate"},
})

var bridgeHeaderSettings = table([]row[BridgeHeader]{
	{"name", func(h *BridgeHeader) any { return &h.Name }, needed(text(checkBridgeHeader)), "Name of the field"},
	{"value", func(h *BridgeHeader) any { return &h.Value }, needed(secret), "Its value, as env:NAME or file:PATH if it is a secret"},
})

var bridgeSubscriptionSettings = table([]row[BridgeSubscription]{
	{"send", func(s *BridgeSubscription) any { return &s.Send }, text(checkRequest), "Message that asks for it, as JSON"},
	{"match", func(s *BridgeSubscription) any { return &s.Match }, oneOr(sentence(checkFilter)), "Conditions that all have to hold, such as /type = trade"},
	{"ignore", func(s *BridgeSubscription) any { return &s.Ignore }, oneOr(sentence(checkFilter)), "Conditions of which none may hold"},
	{"channel", func(s *BridgeSubscription) any { return &s.Channel }, needed(text(checkBridgeChannel)), "Name of the channel, such as eth/heads or ticker/{/symbol}"},
	{"data", func(s *BridgeSubscription) any { return &s.Data }, text(checkPointer), "JSON pointer to what is published; the whole message if it is not set"},
	{"event", func(s *BridgeSubscription) any { return &s.Event }, text(checkTemplate), "Event of the publications, such as block or {/type}"},
	{"key", func(s *BridgeSubscription) any { return &s.Key }, text(checkTemplate), "What a publication is about, such as {/symbol}"},
	{"id", func(s *BridgeSubscription) any { return &s.ID }, text(checkTemplate), "What tells messages apart, such as {/hash}: of those with the same only the first is published"},
})

// sentence is the rule of a list of texts with spaces.
func sentence(check func(string) string) rule {
	return rule{check: checkText(check), mayHaveSpaces: true}
}

const bridgeNamePattern = "^[A-Za-z0-9_-]{1,64}$"

var bridgeName = regexp.MustCompile(bridgeNamePattern)

func checkBridgeName(name string) string {
	if !bridgeName.MatchString(name) {
		return fmt.Sprintf("%q is not 1 to 64 letters, digits, - and _; write for example prices", name)
	}
	return ""
}

func checkSubprotocol(name string) string {
	if !httpsyntax.IsToken(name) {
		return fmt.Sprintf("%q is not the name of a subprotocol; write for example graphql-transport-ws", name)
	}
	return ""
}

// checkBridgeHeader wants the name of a field that the handshake does not have itself.
func checkBridgeHeader(name string) string {
	if wrong := checkFieldName(name); wrong != "" {
		return wrong
	}
	canonical := textproto.CanonicalMIMEHeaderKey(name)
	if strings.HasPrefix(canonical, "Sec-Websocket-") || slices.Contains([]string{"Host", "Connection", "Upgrade", "Content-Length", "Transfer-Encoding"}, canonical) {
		return fmt.Sprintf("%q is a field that the handshake has itself; leave it out, or use subprotocol", name)
	}
	return ""
}

func checkRequest(message string) string {
	if _, err := feed.ParseRequest(message); err != nil {
		return "it " + err.Error()
	}
	return ""
}

func checkFilter(condition string) string {
	_, err := feed.ParseFilter(condition)
	return wrongText(condition, err)
}

func checkBridgeChannel(channel string) string {
	_, err := feed.ParseChannel(channel)
	return wrongText(channel, err)
}

// checkTemplate wants a text with pointers in braces; a pointer without them is a mistake that looks right.
func checkTemplate(template string) string {
	if strings.HasPrefix(template, "/") {
		return fmt.Sprintf("%q is what would be there itself; write {%s} for what that points to", template, template)
	}
	_, err := feed.ParseTemplate(template)
	return wrongText(template, err)
}

func checkPointer(pointer string) string {
	_, err := jsonpointer.Parse(pointer)
	return wrongText(pointer, err)
}

func wrongText(text string, err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("%q cannot be used: %v", text, err)
}

// checkUpstream says what is wrong with the URL of an upstream, without showing it: it may have a key.
func checkUpstream(s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "it is no URL; write for example wss://feed.example.com/v1"
	case u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "":
		return "it is no URL of a WebSocket; write for example wss://feed.example.com/v1"
	case u.Fragment != "":
		return "it has a fragment, which is never sent; leave out what begins with #"
	}
	return ""
}

// withDefaults fills in what b leaves out.
func (b Bridge) withDefaults() Bridge {
	fill(&b.Ping, bridge.DefaultPing)
	fill(&b.Timeout, bridge.DefaultTimeout)
	if b.Backoff.Min == 0 {
		b.Backoff.Min = bridge.DefaultBackoffMin
		if b.Backoff.Max > 0 {
			b.Backoff.Min = min(b.Backoff.Min, b.Backoff.Max)
		}
	}
	fill(&b.Backoff.Max, max(bridge.DefaultBackoffMax, b.Backoff.Min))
	fill(&b.MessageBytes, bridge.DefaultMessageBytes)
	fill(&b.ChannelsMax, feed.DefaultChannelsMax)
	return b
}

// checkBridges reports what each setting allows and all of them do not.
func checkBridges(bridges []Bridge, report func(key, text string)) {
	for i := range bridges {
		b, at := &bridges[i], fmt.Sprintf("bridges[%d]", i)
		switch {
		case b.Name == "":
			report(at, "a name is needed, for example prices")
		case b.URL.IsZero():
			report(at, "a url is needed: whom does it follow?")
		case len(b.Subscriptions) == 0:
			report(at, `subscriptions are needed, such as [{channel: prices}]: where do the messages go?`)
		}
		if b.URL.IsLiteral() {
			if wrong := checkUpstream(b.URL.text); wrong != "" {
				report(at+".url", wrong)
			}
		}
		for j := range i {
			if b.Name != "" && bridges[j].Name == b.Name {
				report(at+".name", fmt.Sprintf("%q is the name of bridges[%d], too; each needs its own", b.Name, j))
			}
		}
		if b.Backoff.Min > b.Backoff.Max {
			report(at+".backoff.min", fmt.Sprintf("%v is longer than backoff.max (%v)", b.Backoff.Min, b.Backoff.Max))
		}
		for j, h := range b.Headers {
			switch {
			case h.Name == "":
				report(fmt.Sprintf("%s.headers[%d]", at, j), "a name is needed, for example Authorization")
			case h.Value.IsZero():
				report(fmt.Sprintf("%s.headers[%d]", at, j), "a value is needed, for example env:FEED_TOKEN")
			}
		}
		b.checkRequests(at, report)
	}
}

// checkRequests reports answers that could not be told apart, and messages that go nowhere.
func (b *Bridge) checkRequests(at string, report func(key, text string)) {
	seen := make(map[string]string)
	see := func(key, message string) {
		r, err := feed.ParseRequest(message)
		if err != nil || r.ID() == "" {
			return
		}
		if other, ok := seen[r.ID()]; ok {
			report(key, fmt.Sprintf("its id %s is that of %s, too, so that nobody could tell whose an answer is; give each its own", r.ID(), other))
		}
		seen[r.ID()] = key
	}
	for j, message := range b.Send {
		see(fmt.Sprintf("%s.send[%d]", at, j), message)
	}
	for j := range b.Subscriptions {
		s, at := &b.Subscriptions[j], fmt.Sprintf("%s.subscriptions[%d]", at, j)
		if s.Channel == "" {
			report(at, "a channel is needed, for example prices or ticker/{/symbol}")
		}
		see(at+".send", s.Send)
		// What takes everything leaves nothing for those behind it, unless the upstream says whose a message is.
		r, err := feed.ParseRequest(s.Send)
		if isLast := j == len(b.Subscriptions)-1; !isLast && len(s.Match) == 0 && len(s.Ignore) == 0 && (err != nil || r.ID() == "") {
			report(at, "it takes every message, so that nothing is left for those behind it; say with match which ones, such as /type = trade")
		}
	}
}

// isSensitive reports whether what is sent to the upstream has secrets.
func (b *Bridge) isSensitive() bool {
	return len(b.Headers) > 0 || !b.Login.IsZero() || !b.URL.IsLiteral()
}

// jsonOf is v as text that is the same for what is the same.
func jsonOf(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // it has texts and numbers
	}
	return b
}
