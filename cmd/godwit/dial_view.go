package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/godwit-io/godwit/internal/legible"
	"github.com/godwit-io/godwit/internal/prompt"
	"github.com/godwit-io/godwit/ws"
)

const (
	// shownBytesMax is how much of a message a terminal shows.
	shownBytesMax = 64 << 10

	// rowsOfJSON is how many rows of the terminal JSON may take as it stands before it is
	// indented.
	rowsOfJSON = 2

	// besideJSON is room for the sign and the time before it and the remark behind it.
	besideJSON = 32
)

// dialView shows what happens: to a person, to both a person and a program, or to a
// program. It is safe for concurrent use.
type dialView struct {
	out, errOut                     io.Writer
	screen                          *prompt.Screen // nil for none; set while nobody else uses the view
	isTerminal                      bool           // out is one
	notesOnScreen                   bool
	colored                         bool
	isJSON, isRaw, isNullTerminated bool
	width                           func() int
	now                             func() time.Time

	mu                 sync.Mutex // guards what follows
	times, pretty, hex bool
}

func newDialView(o *dialOptions, out, errOut io.Writer) *dialView {
	v := &dialView{
		out: out, errOut: errOut, isTerminal: isTerminal(out), notesOnScreen: isTerminal(errOut),
		times: o.times, pretty: !o.compact, hex: o.hex, isJSON: o.asJSON, isRaw: o.raw, isNullTerminated: o.null, now: time.Now,
		width: func() int { return 80 },
	}
	if v.isTerminal {
		v.colored = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		v.width = func() int {
			if w, _, err := term.GetSize(int(out.(*os.File).Fd())); err == nil && w > 0 {
				return w
			}
			return 80
		}
	}
	return v
}

// isForPeople reports whether messages are laid out for a person.
func (v *dialView) isForPeople() bool {
	return v.isTerminal && !v.isJSON && !v.isRaw && !v.isNullTerminated
}

func (v *dialView) paint(s legible.Style, text string) string {
	if !v.colored {
		return text
	}
	return s.Paint(text)
}

// note prints a line that is not from the peer.
func (v *dialView) note(format string, args ...any) {
	text := "* " + oneLine(fmt.Sprintf(format, args...))
	if v.screen != nil && v.notesOnScreen {
		v.screen.Print(v.paint(legible.Dim, text))
		return
	}
	fmt.Fprintln(v.errOut, text)
}

// help prints lines for a person.
func (v *dialView) help(text string) {
	if v.screen != nil && v.notesOnScreen {
		v.screen.Print(text)
		return
	}
	fmt.Fprintln(v.errOut, text)
}

// sent shows what was sent, where it is not on the screen anyway.
func (v *dialView) sent(typ ws.MessageType, message []byte) {
	if v.screen != nil {
		v.screen.Print(v.lines(v.paint(legible.Bold, ">"), typ, message, ""))
	}
}

// message shows what came. Aside is the remark about it to a person.
func (v *dialView) message(typ ws.MessageType, message []byte, aside string) error {
	if v.isForPeople() {
		text := v.lines(v.paint(legible.Cyan, "<"), typ, message, aside)
		if v.screen != nil {
			v.screen.Print(text)
			return nil
		}
		return v.write([]byte(text + "\n"))
	}
	return v.write(v.plain(typ, message))
}

func (v *dialView) write(b []byte) error {
	if _, err := v.out.Write(b); err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}
	return nil
}

// plain is a message as a program reads it.
func (v *dialView) plain(typ ws.MessageType, message []byte) []byte {
	switch {
	case v.isJSON:
		o := dialObject{Type: "text", Time: v.now().UTC()}
		if typ == ws.MessageBinary {
			o.Type = "binary"
			encoded := base64.StdEncoding.EncodeToString(message)
			o.Base64 = &encoded
		} else {
			text := string(message)
			o.Data = &text
		}
		return o.line()
	case v.isRaw:
		return message
	case v.isNullTerminated:
		return append(bytes.Clone(message), 0)
	case v.hex, typ == ws.MessageBinary:
		return append(hex.AppendEncode(nil, message), '\n')
	}
	return append(bytes.Clone(message), '\n')
}

// dialObject is a line of --json.
type dialObject struct {
	Type   string    `json:"type"` // text, binary, pong or close
	Time   time.Time `json:"time"`
	Data   *string   `json:"data,omitempty"`
	Base64 *string   `json:"data_base64,omitempty"`
	RTT    float64   `json:"rtt_ms,omitempty"`
	Code   int       `json:"code,omitempty"`
	Reason *string   `json:"reason,omitempty"`
}

func (o *dialObject) line() []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(o) // there is nothing in it that could fail
	return b.Bytes()
}

// pong says how long a ping took.
func (v *dialView) pong(took time.Duration) {
	if v.isJSON {
		o := dialObject{Type: "pong", Time: v.now().UTC(), RTT: float64(took.Microseconds()) / 1000}
		_ = v.write(o.line()) // a message that follows fails, too
		return
	}
	v.note("pong after %v", took.Round(time.Microsecond))
}

// end says how the connection ended.
func (v *dialView) end(e *ws.CloseError) {
	if v.isJSON {
		reason := e.Reason
		o := dialObject{Type: "close", Time: v.now().UTC(), Code: int(e.Code), Reason: &reason}
		_ = v.write(o.line())
	}
	v.note("closed: %s", explainEnd(e))
}

// lines are a message as a person reads it, behind a sign of its sender.
func (v *dialView) lines(sign string, typ ws.MessageType, message []byte, aside string) string {
	v.mu.Lock()
	times, pretty, asHex := v.times, v.pretty, v.hex
	v.mu.Unlock()
	prefix := sign + " "
	if times {
		prefix = v.paint(legible.Dim, v.now().Format("15:04:05.000")) + " " + prefix
	}
	if aside != "" {
		aside = "  " + v.paint(legible.Dim, "("+legible.Text(aside)+")")
	}
	more := ""
	if n := len(message) - shownBytesMax; n > 0 {
		message = message[:shownBytesMax]
		more = "\n" + v.paint(legible.Dim, fmt.Sprintf("… %d bytes more, which a pipe or --json would have", n))
	}
	switch {
	case typ == ws.MessageBinary || asHex:
		head := fmt.Sprintf("[%d bytes]", len(message))
		return prefix + v.paint(legible.Yellow, head) + aside + dumpLines(message) + more
	case more == "" && legible.IsJSON(message):
		width := 0
		if pretty {
			width = max(20, rowsOfJSON*v.width()-besideJSON)
		}
		return prefix + legible.JSON(message, width, v.colored) + aside
	}
	return prefix + legible.Text(string(message)) + aside + more
}

// dumpLines is a hex dump on lines of its own.
func dumpLines(message []byte) string {
	if len(message) == 0 {
		return ""
	}
	return "\n" + strings.TrimSuffix(hex.Dump(message), "\n")
}

// toggle turns something that is shown on or off, and says which.
func (v *dialView) toggle(what *bool, name string) {
	v.mu.Lock()
	*what = !*what
	state := "off"
	if *what {
		state = "on"
	}
	v.mu.Unlock()
	v.note("%s: %s", name, state)
}
