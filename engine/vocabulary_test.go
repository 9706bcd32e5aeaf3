package engine_test

import (
	"errors"
	"reflect"
	"testing"

	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

// A program that serves connections of both drivers needs one of everything.
func TestBothDriversSpeakOneLanguage(t *testing.T) {
	for _, c := range []struct{ engine, ws any }{
		{engine.MessageText, ws.MessageText},
		{engine.StatusNormal, ws.StatusNormal},
		{&engine.CloseError{}, &ws.CloseError{}},
		{&engine.Prepared{}, &ws.Prepared{}},
	} {
		if a, b := reflect.TypeOf(c.engine), reflect.TypeOf(c.ws); a != b {
			t.Errorf("%v of engine is not %v of ws", a, b)
		}
	}
	for _, c := range []struct{ engine, ws error }{
		{engine.ErrMessageType, ws.ErrMessageType},
		{engine.ErrCloseCode, ws.ErrCloseCode},
		{engine.ErrNotUTF8, ws.ErrNotUTF8},
		{engine.ErrClosing, ws.ErrClosing},
		{engine.ErrQueueFull, ws.ErrQueueFull},
		{engine.ErrWriteTimeout, ws.ErrWriteTimeout},
	} {
		if c.engine == nil || c.engine != c.ws {
			t.Errorf("engine: %v; ws: %v", c.engine, c.ws)
		}
	}
	if code := engine.CloseStatus(errors.Join(&ws.CloseError{Code: 1001})); code != engine.StatusGoingAway {
		t.Errorf("the status of an end of ws is %v", code)
	}
}

// A message that ws has prepared is sent by the engine.
func TestMessagePreparedByTheOtherDriver(t *testing.T) {
	n := newNotes()
	client := upgrade(t, start(t, &engine.Server{Handler: n, Loops: 1}))
	m, err := ws.Prepare(ws.MessageText, []byte("to all"))
	if err != nil {
		t.Fatal(err)
	}
	if err := next(t, n.open).WritePrepared(m); err != nil {
		t.Fatal(err)
	}
	client.expect(t, wire.Text, "to all")
}
