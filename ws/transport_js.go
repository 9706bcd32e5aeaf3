package ws

import (
	"errors"
	"fmt"
	"net"
	"time"
)

var errNoTransport = fmt.Errorf("websocket: a page does not see the transport of a connection: %w", errors.ErrUnsupported)

// transport stands for the transport that the browser hides.
type transport struct{ c *Conn }

func (transport) Read([]byte) (int, error)         { return 0, errNoTransport }
func (transport) Write([]byte) (int, error)        { return 0, errNoTransport }
func (transport) SetDeadline(time.Time) error      { return errNoTransport }
func (transport) SetReadDeadline(time.Time) error  { return errNoTransport }
func (transport) SetWriteDeadline(time.Time) error { return errNoTransport }
func (t transport) Close() error                   { return t.c.CloseNow() }
func (t transport) LocalAddr() net.Addr            { return address("") }
func (t transport) RemoteAddr() net.Addr           { return address(t.c.url) }

// address is a URL, or "" for a place that is not known.
type address string

func (address) Network() string  { return "websocket" }
func (a address) String() string { return string(a) }
