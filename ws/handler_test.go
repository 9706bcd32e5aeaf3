//go:build !js

package ws_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"testing"

	"github.com/godwit-io/godwit/ws"
)

func TestHandlerClosesAsItsFunctionEnds(t *testing.T) {
	tests := []struct {
		name  string
		serve func(ctx context.Context, conn *ws.Conn) error
		want  ws.StatusCode
	}{
		{"nil", func(context.Context, *ws.Conn) error { return nil }, ws.StatusNormal},
		{"an error", func(context.Context, *ws.Conn) error { return errors.New("secret") }, ws.StatusInternalError},
		{"a panic", func(context.Context, *ws.Conn) error { panic("secret") }, ws.StatusInternalError},
		{"a close of its own", func(_ context.Context, conn *ws.Conn) error { return conn.Close(4000, "mine") }, 4000},
	}
	for _, tt := range tests {
		s := httptest.NewUnstartedServer(ws.Handler(tt.serve, nil))
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // net/http's word on the panic
		s.Start()
		conn := dial(t, s.URL, nil)
		if _, _, err := conn.Read(background); ws.CloseStatus(err) != tt.want {
			t.Errorf("%s: %v, want %d", tt.name, err, tt.want)
		}
		s.Close()
	}
}
