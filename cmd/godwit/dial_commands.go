package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/godwit-io/godwit/internal/prompt"
	"github.com/godwit-io/godwit/internal/redact"
	"github.com/godwit-io/godwit/internal/spoken"
	"github.com/godwit-io/godwit/ws"
)

// pingsMax is how many pings one command sends.
const pingsMax = 1000

// dialCommand is what a line that begins with a slash does.
type dialCommand struct {
	name string
	do   func(d *dialing, ctx context.Context, rest string) error
}

var dialCommands = []dialCommand{
	{"/hex", (*dialing).sendHex},
	{"/file", func(d *dialing, ctx context.Context, path string) error {
		return d.sendFile(ctx, ws.MessageBinary, path)
	}},
	{"/textfile", func(d *dialing, ctx context.Context, path string) error { return d.sendFile(ctx, ws.MessageText, path) }},
	{"/ping", (*dialing).pingCommand},
	{"/status", func(d *dialing, _ context.Context, _ string) error { d.status(); return nil }},
	{"/time", func(d *dialing, _ context.Context, _ string) error { d.view.toggle(&d.view.times, "times"); return nil }},
	{"/pretty", func(d *dialing, _ context.Context, _ string) error {
		d.view.toggle(&d.view.pretty, "JSON indented")
		return nil
	}},
	{"/hexdump", func(d *dialing, _ context.Context, _ string) error {
		d.view.toggle(&d.view.hex, "text as bytes")
		return nil
	}},
	{"/close", (*dialing).closeCommand},
	{"/help", func(d *dialing, _ context.Context, _ string) error { d.help(); return nil }},
}

// handle does what an entry asks for. What cannot be done is said, and remembered for
// the exit code if it is not a person who sees it.
func (d *dialing) handle(ctx context.Context, e dialEntry) {
	if e.err != nil {
		d.failure = e.err
		return
	}
	err := d.do(ctx, e)
	if err == nil || d.conn.Err() != nil || ctx.Err() != nil {
		return
	}
	d.view.note("%v", err)
	if d.screen == nil {
		d.undone++
	}
}

func (d *dialing) do(ctx context.Context, e dialEntry) error {
	if !e.typed {
		typ := ws.MessageText
		if d.options.binary {
			typ = ws.MessageBinary
		}
		return d.send(ctx, typ, e.text)
	}
	line := string(e.text)
	if line == "" && d.screen != nil {
		return nil // the Enter of a person who wants some room
	}
	if text, ok := strings.CutPrefix(line, "//"); ok {
		return d.send(ctx, ws.MessageText, []byte("/"+text))
	}
	if !strings.HasPrefix(line, "/") {
		return d.speak(ctx, line)
	}
	name, rest, _ := strings.Cut(line, " ")
	if d.screen != nil {
		d.view.sent(ws.MessageText, e.text)
	}
	for _, c := range dialCommands {
		if c.name == name {
			return c.do(d, ctx, strings.TrimSpace(rest))
		}
	}
	return fmt.Errorf("there is no command %s; /help shows them, // sends a slash", name)
}

// speak sends a line that was typed, at /connect what its words stand for.
func (d *dialing) speak(ctx context.Context, line string) error {
	messages := [][]byte{[]byte(line)}
	d.mu.Lock()
	if d.speaker != nil {
		var err error
		if messages, err = d.speaker.Speak(time.Now(), line); err != nil {
			d.mu.Unlock()
			return fmt.Errorf("%w; /help shows what there is, and JSON goes as it is", err)
		}
	}
	d.mu.Unlock()
	for _, message := range messages {
		if err := d.send(ctx, ws.MessageText, message); err != nil {
			return err
		}
	}
	return nil
}

// openSession sends the command connect, unless it was sent.
func (d *dialing) openSession(ctx context.Context) {
	d.mu.Lock()
	message := d.speaker.Connect(time.Now())
	d.mu.Unlock()
	if message == nil {
		return
	}
	if err := d.send(ctx, ws.MessageText, message); err != nil && d.conn.Err() == nil && ctx.Err() == nil {
		d.view.note("%v", err)
	}
}

// send sends a message.
func (d *dialing) send(ctx context.Context, typ ws.MessageType, message []byte) error {
	if typ == ws.MessageText && !utf8.Valid(message) {
		return errors.New("this is not UTF-8 text; --binary, /hex and /file send bytes")
	}
	d.view.sent(typ, message)
	d.mu.Lock()
	if d.speaker == nil && len(message) <= echoBytesMax {
		if len(d.echoes) == echoesMax {
			d.echoes = d.echoes[1:]
		}
		d.echoes = append(d.echoes, awaited{string(message), time.Now()})
	}
	d.sent++
	d.mu.Unlock()
	return d.conn.Write(ctx, typ, message)
}

func (d *dialing) sendHex(ctx context.Context, digits string) error {
	b, err := hex.DecodeString(strings.Join(strings.Fields(digits), ""))
	if err != nil {
		return fmt.Errorf("/hex: %q is not hexadecimal; write for example /hex 00ff", digits)
	}
	return d.send(ctx, ws.MessageBinary, b)
}

func (d *dialing) sendFile(ctx context.Context, typ ws.MessageType, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, dialBytesMax+1))
	switch {
	case err != nil:
		return err
	case len(b) > dialBytesMax:
		return fmt.Errorf("%s is longer than %d MiB, the most that is sent", path, dialBytesMax>>20)
	}
	return d.send(ctx, typ, b)
}

// pingCommand measures: a script waits for it, a person may go on.
func (d *dialing) pingCommand(ctx context.Context, count string) error {
	n := uint64(1)
	if count != "" {
		var err error
		if n, err = strconv.ParseUint(count, 10, 32); err != nil || n == 0 || n > pingsMax {
			return fmt.Errorf("/ping: %q is not a number from 1 to %d", count, pingsMax)
		}
	}
	if d.screen == nil {
		return d.ping(ctx, n)
	}
	d.pinging.Go(func() { _ = d.ping(ctx, n) }) // the end of the connection says it
	return nil
}

// ping sends n pings, each after the pong of the one before.
func (d *dialing) ping(ctx context.Context, n uint64) error {
	var least, sum, most time.Duration
	for i := range n {
		took, err := d.conn.Ping(ctx)
		if err != nil {
			return err
		}
		d.view.pong(took)
		if i == 0 || took < least {
			least = took
		}
		most, sum = max(most, took), sum+took
	}
	if n > 1 {
		d.view.note("%d pings: least %s, mean %s, most %s", n, spoken.Took(least), spoken.Took(sum/time.Duration(n)), spoken.Took(most))
	}
	return nil
}

func (d *dialing) closeCommand(_ context.Context, rest string) error {
	code, reason, _ := strings.Cut(rest, " ")
	n := uint64(ws.StatusNormal)
	if code != "" {
		var err error
		if n, err = strconv.ParseUint(code, 10, 16); err != nil || !ws.StatusCode(n).OnWire() {
			return fmt.Errorf("/close: %q is not a code that may be sent; use 1000, or 3000 to 4999", code)
		}
	}
	d.over = true
	d.close(ws.StatusCode(n), reason)
	return nil
}

func (d *dialing) help() {
	text := dialHelp
	d.mu.Lock()
	if d.speaker != nil {
		text = "Commands of godwit.v1, whose ids are filled in:\n" + spoken.Help + "\nand of dial:\n" + text
	}
	d.mu.Unlock()
	if d.screen != nil {
		text += "\n" + dialKeys
	}
	d.view.help(text)
}

// status says what the connection is and has carried.
func (d *dialing) status() {
	d.mu.Lock()
	sent, received := d.sent, d.received
	d.mu.Unlock()
	d.view.note("%s, connected for %v", redact.URL(d.url), time.Since(d.opened).Round(time.Second))
	text := fmt.Sprintf("%d sent, %d received", sent, received)
	if l := d.conn.Latency(); l > 0 {
		text += ", last ping " + spoken.Took(l)
	}
	d.view.note("%s%s", text, d.agreed())
}

// agreed is what the handshake has agreed on, behind a comma.
func (d *dialing) agreed() (text string) {
	if p := d.conn.Subprotocol(); p != "" {
		text += ", subprotocol " + p
	}
	if _, is := d.conn.Compression(); is {
		text += ", compressed"
	}
	return text
}

// complete says how a line may go on, for the screen.
func (d *dialing) complete(ctx context.Context, begun string) prompt.Completion {
	if strings.HasPrefix(begun, "/") {
		var fit []string
		for _, c := range dialCommands {
			if strings.HasPrefix(c.name, begun) {
				fit = append(fit, c.name)
			}
		}
		return prompt.Completion{Words: fit}
	}
	d.mu.Lock()
	isSpoken := d.speaker != nil
	d.mu.Unlock()
	if !isSpoken || strings.HasPrefix(begun, "{") {
		return prompt.Completion{}
	}
	var channels []string
	if strings.Contains(begun, " ") {
		token, _ := strings.CutPrefix(d.target.Header.Get("Authorization"), "Bearer ")
		channels = listChannels(ctx, pageURL(d.url), token)
	}
	start, words := spoken.Complete(begun, channels)
	return prompt.Completion{Start: start, Words: words}
}
