package inspect

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/ws/wire"
)

// lostMax is how many pings may be lost before no more are sent.
const lostMax = 3

// listen finds out what the server sends by itself.
func (s *session) listen() {
	u := &s.report.Unprompted
	s.traffic = &u.Traffic
	began := time.Now()
	s.await(began.Add(s.in.options.Listen), func() bool { return false })
	u.Listened, u.Pings = time.Since(began), s.pings
	s.traffic = new(Traffic)
	if !s.alive() {
		s.judgeEarlyEnd("within " + show(u.Listened) + " of opening it, before anything was sent")
		return
	}
	within := "in the first " + show(s.in.options.Listen)
	switch {
	case u.Messages > 0:
		s.in.found("session-sends", fmt.Sprintf("The server sends by itself: %s of %d bytes together %s.", count(u.Messages, "message"), u.Bytes, within), "")
	default:
		s.in.found("session-quiet", "The server sends no message "+within+": it waits for the client.", "")
	}
	if u.Pings > 0 {
		s.in.found("session-pings", "The server sends pings by itself, "+count(u.Pings, "ping")+" "+within+".", "")
	}
	s.judgeTraffic()
}

// ping measures round trips.
func (s *session) ping() {
	p := &s.report.Pings
	var wrong []byte // payload of a pong that answers no ping
	for range s.in.options.Pings {
		var random [8]byte
		rand.Read(random[:])
		payload := []byte(hex.EncodeToString(random[:]))
		s.pong = nil
		sent := time.Now()
		p.Sent++
		s.send(wire.Ping, 0, payload)
		answered := s.await(sent.Add(s.in.options.Timeout), func() bool { return bytes.Equal(s.pong, payload) })
		if answered {
			p.Answered++
			p.All = append(p.All, s.pongAt.Sub(sent))
		} else if s.pong != nil {
			wrong = s.pong
		}
		if !s.alive() {
			break
		}
		if lost := p.Sent - p.Answered; lost == lostMax || p.Answered == 0 && lost > 0 {
			break // the rest would be, too
		}
	}
	p.summarize()
	if !s.alive() {
		s.judgeEarlyEnd("after " + count(p.Sent, "ping"))
		return
	}
	within := " within " + show(s.in.options.Timeout)
	const do = "RFC 6455 §5.5.2 wants every ping answered: mend the server, or what passes frames on in between. Without pongs a connection that broke silently cannot be told from one that is idle."
	switch {
	case wrong != nil:
		s.in.found("pong-wrong", "The server answered a ping with a pong that does not carry its payload: "+quote(string(wrong))+".", "Send back the payload of the ping as it is (RFC 6455 §5.5.3).")
	case p.Answered == 0:
		s.in.found("pings-unanswered", "The server did not answer a ping"+within+".", do)
	case p.Answered < p.Sent:
		s.in.found("pings-lost", strconv.Itoa(p.Sent-p.Answered)+" of "+count(p.Sent, "ping")+" were not answered"+within+".", do)
	default:
		s.in.found("pings-ok", fmt.Sprintf("All of %s were answered: min %s, median %s, p90 %s, max %s.", count(p.Sent, "ping"), show(p.Min), show(p.Median), show(p.P90), show(p.Max)), "")
	}
}

// summarize fills in the distribution of All.
func (p *Pings) summarize() {
	if len(p.All) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(p.All))
	n := len(sorted)
	p.Min, p.Max = sorted[0], sorted[n-1]
	p.Median = sorted[(n-1)/2]
	p.P90 = sorted[(9*n+9)/10-1] // the smallest that nine of ten do not exceed
}

// sampleText is text as applications send it: JSON whose keys repeat.
var sampleText = func() string {
	var b strings.Builder
	b.WriteString(`{"sample":"godwit inspect","items":[`)
	for i := range 48 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"symbol":"S%02d","price":%d.%02d,"change":%d,"open":true}`, 1000+7*i, i, 90+i*i%23, i*37%100, i%9-4)
	}
	b.WriteString("]}")
	return b.String()
}()

// sendSample sends a message and finds out whether it comes back.
func (s *session) sendSample() {
	payload, rsv := []byte(sampleText), uint8(0)
	if s.deflater != nil {
		payload, rsv = s.deflater.Append(nil, payload), wire.RSV1
	}
	r := &Sample{Bytes: int64(len(sampleText)), SentBytes: int64(len(payload))}
	s.report.Sample = r
	s.sample = sampleText
	sent := time.Now()
	s.send(wire.Text, rsv, payload)
	s.await(sent.Add(s.in.options.Timeout), func() bool { return !s.sampleAt.IsZero() })
	if s.sampleAt.IsZero() {
		if !s.alive() && !s.broken {
			s.judgeEarlyEnd("when a sample message was sent")
			return
		}
		s.in.found("sample-unanswered", "The sample message of "+count(len(sampleText), "byte")+" did not come back within "+show(s.in.options.Timeout)+": the server does not echo.", "")
		return
	}
	r.Echoed, r.EchoBytes, r.Took = true, s.sampleLen, s.sampleAt.Sub(sent)
	switch {
	case s.deflater == nil:
		saved := 100 - 100*float64(len(s.estimate.Append(nil, []byte(sampleText))))/float64(len(sampleText))
		s.in.found("compression-benefit", fmt.Sprintf("The sample of %d bytes came back in %s, not compressed; permessage-deflate would save about %.0f %% of text like it.", r.Bytes, show(r.Took), saved), "")
	case r.EchoBytes >= r.Bytes:
		s.in.found("compression-unused", fmt.Sprintf("The sample of %d bytes came back in %s and not compressed, although compression was agreed.", r.Bytes, show(r.Took)),
			"Look whether the server compresses only longer messages, or has to be told to for each.")
	default:
		s.in.found("compression-benefit", fmt.Sprintf("The sample of %d bytes came back in %s, compressed to %d: %.0f %% less.", r.Bytes, show(r.Took), r.EchoBytes, 100-100*float64(r.EchoBytes)/float64(r.Bytes)), "")
	}
}

// close ends the connection as RFC 6455 §7 wants it, and looks how the server
// does its part.
func (s *session) close() {
	c := &s.report.Close
	var began time.Time
	if s.err == nil && s.ctx.Err() == nil {
		code := wire.CloseNormal
		if s.broken {
			code = wire.CloseProtocolError
		}
		if s.closeGot {
			code = wire.CloseCode(c.Code) // RFC 6455 §5.5.1: the code is echoed
		} else {
			c.By = "inspect"
		}
		c.Sent = int(code)
		began = time.Now()
		s.send(wire.Close, 0, wire.AppendClose(nil, code, ""))
		if s.broken {
			return
		}
		deadline := began.Add(s.in.options.Timeout)
		s.await(deadline, func() bool { return s.closeGot })
	}
	if s.broken || s.ctx.Err() != nil || s.err != nil && !s.closeGot && c.By == "" {
		return
	}
	if !s.closeGot {
		how := "did not answer it within " + show(s.in.options.Timeout)
		if s.err != nil {
			how = "ended the connection without answering it: " + explainError(s.err)
			c.TCP = endOf(s.err)
			c.End = time.Since(began)
		}
		s.in.found("close-unanswered", "A close frame was sent, and the server "+how+".",
			"Answer a close frame with a close frame (RFC 6455 §5.5.1): without it, browsers report 1006 and wait in vain.")
		return
	}
	if c.By == "inspect" {
		c.Reply = s.closeAt.Sub(began)
	}
	s.end()
	s.judgeClose()
}

// end waits for the end of TCP, which is the server's to bring about (RFC 6455
// §7.1.1).
func (s *session) end() {
	c := &s.report.Close
	began := time.Now()
	deadline := began.Add(s.in.options.Timeout)
	for s.err == nil && s.read(deadline) {
		s.buf = nil // nothing counts after a close frame
	}
	c.End = time.Since(began)
	c.TCP = "open"
	if s.err != nil {
		c.TCP = endOf(s.err)
	}
}

func endOf(err error) string {
	if errorKind(err) == reset {
		return "reset"
	}
	return "closed"
}

func (s *session) judgeClose() {
	c := &s.report.Close
	if s.ctx.Err() != nil {
		return
	}
	switch c.TCP {
	case "open":
		s.in.found("close-tcp-open", "After both close frames the server left the TCP connection open for more than "+show(s.in.options.Timeout)+".",
			"Close the TCP connection after the close frames (RFC 6455 §7.1.1): the server is to do it first, or connections pile up.")
	case "reset":
		s.in.found("close-reset", "The server ended TCP with a reset after the close frames.", "It may take the last bytes with it: read what the client sent before closing, and close by shutting down writing first.")
	}
	if c.By != "inspect" {
		return
	}
	switch {
	case c.Code == c.Sent:
		if c.TCP == "closed" {
			s.in.found("close-ok", "The server answered the close frame in "+show(c.Reply)+" with the same code, and ended TCP "+show(c.End)+" later.", "")
		}
	case c.Code == int(wire.CloseNoStatus):
		s.in.found("close-code-changed", "The server answered the close frame with 1000 by one without a code, so browsers report 1005.", "Echo the code that was received (RFC 6455 §5.5.1).")
	default:
		s.in.found("close-code-changed", "The server answered the close frame with 1000 by "+wire.CloseCode(c.Code).String()+".", "Echo the code that was received (RFC 6455 §5.5.1), unless the server was closing by itself.")
	}
}
