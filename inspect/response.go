package inspect

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/godwit-io/godwit/internal/wrongscheme"
)

// greetings are how servers that are not HTTP begin.
var greetings = []struct{ start, name string }{
	{"SSH-", "an SSH server"},
	{"220", "a mail or FTP server"},
	{"+OK", "a POP3 server"},
	{"* OK", "an IMAP server"},
	{"-ERR", "a Redis server"},
	{"-DENIED", "a Redis server"},
	{"RFB ", "a VNC server"},
	{"AMQP", "an AMQP broker"},
	{"\x81", "a server that sends WebSocket frames without a handshake"},
	{"\x82", "a server that sends WebSocket frames without a handshake"},
	{"<", "a server that sends a page without a head (HTTP/0.9)"},
}

// saysTLS reports whether the answer is what web servers say in plain text at
// their TLS ports.
func saysTLS(a *attempt) bool { return wrongscheme.WantsTLS(a.head.status, a.raw) }

// judgeNoResponse explains why there was no response, or none of HTTP.
func (in *inspector) judgeNoResponse(ctx context.Context, a *attempt) {
	t, raw := a.target, a.raw
	kind := errorKind(a.err)
	within := "within " + show(in.options.Timeout)
	switch {
	case a.tls.asked && len(raw) == 0 && kind != timedOut:
		in.clientCertificate()
	case errors.Is(a.err, errHTTP2):
		in.found("response-http2", "The server answered in HTTP/2 to a request in HTTP/1.1.",
			"Let it speak HTTP/1.1 too, or use the port where it does: a WebSocket over HTTP/1.1 cannot begin otherwise.")
	case !t.secure() && wrongscheme.IsAlert(raw):
		in.answeredTLS(ctx, t, "The server answered with a TLS alert: it is an https server, and the URL says ws.")
	case errors.Is(a.err, errHeadTooLong):
		in.found("response-too-long", "The head of the response is longer than 64 KiB; browsers and proxies give up long before.",
			"Look for a header field that grows, such as cookies set again and again.")
	case errors.Is(a.err, errNotHTTP):
		what := "The answer is not HTTP: it begins with " + quote(firstLine(raw)) + "."
		for _, g := range greetings {
			if bytes.HasPrefix(raw, []byte(g.start)) {
				what = "The answer is not HTTP but seems to be that of " + g.name + ": " + quote(firstLine(raw)) + "."
				break
			}
		}
		in.found("response-not-http", what, "Check host and port; the answer to a handshake begins with HTTP/1.1 101.")
	case kind == timedOut && len(raw) == 0:
		in.found("response-timeout", "The server accepted the connection and sent no answer "+within+".",
			"Look at the server behind this port: it may hang or be overloaded, wait for something else than HTTP, or be a proxy that waits for the server behind it. --timeout waits longer.")
	case len(raw) > 0:
		how := "ended the connection"
		if kind == timedOut {
			how = "sent nothing more " + within
		}
		in.found("response-incomplete", "The server sent "+count(len(raw), "byte")+" of a response and then "+how+", before the empty line that ends its head.",
			"End the head with an empty line, CR LF twice, and flush it.")
	default:
		if !t.secure() && in.answeredTLS(ctx, t, "The server ended the connection at a request in plain text, and speaks TLS at this port: it is an https server, and the URL says ws.") {
			return
		}
		in.found("response-none", "The server accepted the connection and ended it without an answer ("+explainError(a.err)+").",
			"Look into the server's log: it may have crashed, take only some addresses, or speak another protocol at this port; a load balancer without a healthy server behind it acts like this too.")
	}
}

// answeredTLS finds out whether the port of t speaks TLS, and says so.
func (in *inspector) answeredTLS(ctx context.Context, t *target, means string) bool {
	secure := t.with("wss")
	secure.url.Host = t.hostPort()
	if !in.speaksTLS(ctx, secure) {
		return false
	}
	do := "Use " + secure.String() + "."
	if p := in.probe(ctx, secure, in.spec(), "with wss, at the same port"); p.Opened {
		do = "Use " + secure.String() + ", where a WebSocket opens."
	}
	in.found("response-tls", means, do)
	return true
}

// speaksTLS finds out whether a TLS server listens at the port of t.
func (in *inspector) speaksTLS(ctx context.Context, t *target) (spoken bool) {
	in.probeTLS(ctx, t, in.spec(), "with TLS, at the same port", func(x *TLS) string {
		spoken = true
		return x.Version + " was agreed"
	})
	return spoken
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return strings.TrimRight(string(line), "\r")
}

// judgeHead says what is wrong with the form of a response, whatever it says.
func (in *inspector) judgeHead(a *attempt) {
	if len(a.head.faults) > 0 {
		in.found("response-malformed", "The head of the response breaks the grammar of HTTP: "+strings.Join(a.head.faults, "; ")+".",
			"Mend whatever writes the head; some clients and proxies refuse it.")
	}
	if took := a.x.Response.Took; took > time.Second {
		in.found("response-slow", "The answer took "+show(took)+".", "Look what the server does before it answers; authentication by another service is a common reason.")
	}
}
