package main

import (
	"errors"
	"testing"
	"text/template"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestOneLine(t *testing.T) {
	t.Parallel()
	if got := oneLine(" a\n\n  b\r\nc\x1b\n"); got != `a; b; c\x1b` {
		t.Errorf("%q", got)
	}
}

func TestPrinterOnTerminal(t *testing.T) {
	t.Parallel()
	raw := []byte("raw\x7f")
	text := &client.Message{Channel: "ch\x1b", Data: []byte("a\x1b[2J"), Envelope: raw}
	value := &client.Message{Channel: "c", Kind: hub.JSON, Data: []byte(`{"a":1}`)}
	bytes := &client.Message{Channel: "c", Kind: hub.Binary, Data: []byte{0, 0xff}}
	none := &client.Message{Channel: "c", Kind: hub.Binary, Data: []byte{}}
	for _, c := range []struct {
		p    *printer
		m    *client.Message
		want string
	}{
		{&printer{terminal: true, named: true}, text, `ch\x1b: a\x1b[2J` + "\n"},
		{&printer{}, text, "a\x1b[2J\n"},
		{&printer{}, value, `{"a":1}` + "\n"},
		{&printer{terminal: true}, bytes, "00ff\n"},
		{&printer{}, bytes, "\x00\xff"},
		{&printer{named: true}, bytes, "c: \x00\xff"},
		{&printer{}, none, ""},
		{&printer{json: true, terminal: true}, text, `raw\x7f` + "\n"},
		{&printer{json: true}, text, "raw\x7f\n"},
		{&printer{template: template.Must(template.New("").Parse("{{.Channel}}={{.Data}}"))}, bytes, "c=00ff\n"},
	} {
		if got, err := c.p.format(c.m); got != c.want || err != nil {
			t.Errorf("%q %v, want %q", got, err, c.want)
		}
	}
}

func TestExplainEnd(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"plain": errors.New("plain"),
		`4410 private use "position lost" (Godwit position-lost: History does not hold any more what came after the position of the client)`: &ws.CloseError{Code: 4410, Reason: "position lost"},
		"1006 abnormal closure (the connection broke without a close frame): broken":                                                         &ws.CloseError{Code: wire.CloseAbnormal, Err: errors.New("broken")},
		"4999 private use": &ws.CloseError{Code: 4999},
	} {
		if got := explainEnd(err); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for code := ws.StatusCode(1000); code < 1015; code++ {
		if code.OnWire() && closeMeanings[code] == "" {
			t.Errorf("%v has no meaning", code)
		}
	}
}
