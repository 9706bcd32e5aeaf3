package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/internal/prompt"
	"github.com/godwit-io/godwit/internal/spoken"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/wire"
)

const (
	// connectDelay is how long a person may take for the command connect, of the ten
	// seconds that a server gives, before it is sent for them.
	connectDelay = 5 * time.Second

	// endGrace is how long what was typed before the end may take to be sent.
	endGrace = 2 * time.Second

	// echoesMax is how many messages are remembered to know them when they come back, and
	// echoBytesMax how long one may be.
	echoesMax    = 64
	echoBytesMax = 4 << 10

	promptName        = "> "
	promptNameWaiting = "(no connection) > "
)

// dialing is one run of dial: a person or script, and one connection after the other.
type dialing struct {
	options *dialOptions
	cmd     *cobra.Command
	url     *url.URL
	target  *ws.DialOptions
	view    *dialView
	stop    context.CancelFunc // ends it all

	screen  *prompt.Screen
	entries chan dialEntry // nil until there is a connection, and after the end
	over    bool           // by what was asked for, not by the peer
	undone  int            // lines that could not be done
	failure error          // of the input or the output
	done    chan struct{}  // closed when nothing more is read
	leaving sync.Once

	conn    *ws.Conn
	pinging sync.WaitGroup
	opened  time.Time

	mu       sync.Mutex // guards what follows: one goroutine sends, another receives
	speaker  *spoken.Speaker
	sent     int
	received int // on this connection
	counted  int // of --count
	closing  bool
	echoes   []awaited
}

// awaited is a message that may come back.
type awaited struct {
	text string
	at   time.Time
}

// answered shows how the server answered the handshake.
func (d *dialing) answered(r *http.Response) {
	d.view.note("%s", r.Status)
	if d.options.verbose {
		for _, name := range slices.Sorted(maps.Keys(r.Header)) {
			for _, value := range r.Header[name] {
				d.view.note("%s: %s", name, value)
			}
		}
	}
}

// isTyped reports whether lines are a person's, with commands.
func (d *dialing) isTyped() bool {
	return d.options.commands || len(d.options.execute) > 0 || isTerminal(d.cmd.InOrStdin())
}

// readsInput reports whether standard input is read.
func (d *dialing) readsInput() bool { return len(d.options.execute) == 0 || d.options.interactive }

// begin takes note of a new connection.
func (d *dialing) begin(conn *ws.Conn) {
	d.conn, d.opened = conn, time.Now()
	d.mu.Lock()
	d.sent, d.received, d.closing, d.echoes, d.speaker = 0, 0, false, nil, nil
	if d.isTyped() && conn.Subprotocol() == subprotocolGodwit {
		d.speaker = &spoken.Speaker{Client: "godwit-dial"}
	}
	d.mu.Unlock()
	text := "connected" + d.agreed()
	if d.readsInput() && isTerminal(d.cmd.InOrStdin()) {
		text += "; /help shows the commands, Ctrl-D ends"
	}
	d.view.note("%s", text)
	d.openInput()
	if d.screen != nil {
		d.screen.SetPrompt(promptName)
	}
}

// openInput begins to read, at the first connection.
func (d *dialing) openInput() {
	if d.done != nil {
		return
	}
	d.done = make(chan struct{})
	if !d.readsInput() {
		return
	}
	d.entries = make(chan dialEntry)
	in, isFile := d.cmd.InOrStdin().(*os.File)
	if isFile && isTerminal(in) && d.view.isForPeople() && os.Getenv("TERM") != "dumb" && !d.options.whole {
		history, err := prompt.OpenHistory(historyPath(d.options.history), isForHistory)
		if err != nil {
			d.view.note("%v", err)
		}
		d.screen = prompt.Open(prompt.Options{In: in, Out: d.view.out.(*os.File), Prompt: promptName, Color: d.view.colored, History: history, Complete: d.complete})
		d.view.screen = d.screen
		go readTyped(d.screen, d.entries, d.done)
		return
	}
	separator := '\n'
	switch {
	case d.options.whole:
		separator = -1
	case d.options.null:
		separator = 0
	}
	// A read that waits ends with the process: standard input cannot be interrupted.
	go readMessages(d.cmd.InOrStdin(), int(separator), d.isTyped() && !d.options.whole && !d.options.binary, d.entries, d.done)
}

// leave gives the terminal back, once.
func (d *dialing) leave() {
	d.leaving.Do(func() {
		if d.done != nil {
			close(d.done)
		}
		if d.screen == nil {
			return
		}
		err := d.screen.Close()
		d.view.screen = nil
		if err != nil {
			d.view.note("%v", err)
		}
	})
}

// isOver reports whether no other connection is to be made after err.
func (d *dialing) isOver(err error) bool { return d.over || ws.IsPermanent(err) }

// session sends the input and prints what arrives until the connection ends. With
// --again its error says whether there is to be another.
func (d *dialing) session(ctx context.Context, conn *ws.Conn) error {
	d.begin(conn)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	received := make(chan error, 1)
	go func() { received <- d.receive(conn) }()
	err := d.converse(ctx, cancel, received)
	d.pinging.Wait()
	if d.screen != nil && d.options.again && !d.over {
		d.screen.SetPrompt(promptNameWaiting)
		d.stopWithScreen()
	}
	if d.over || !d.options.again {
		d.leave()
	}
	return d.end(err)
}

// stopWithScreen gives up connecting when the person ends.
func (d *dialing) stopWithScreen() {
	ended := d.screen.Ended()
	go func() {
		select {
		case <-ended:
			d.stop()
		case <-d.done:
		}
	}()
}

// converse does what the input asks for until the connection has ended, and returns how it
// has.
func (d *dialing) converse(ctx context.Context, cancel context.CancelFunc, received <-chan error) error {
	var pings <-chan time.Time
	if d.options.interval > 0 {
		ticker := time.NewTicker(d.options.interval)
		defer ticker.Stop()
		pings = ticker.C
	}
	var unconnected <-chan time.Time
	if d.speaker != nil {
		unconnected = time.After(connectDelay)
	}
	var ended <-chan struct{}
	if d.screen != nil {
		ended = d.screen.Ended()
	}
	for _, line := range d.options.execute {
		d.handle(ctx, dialEntry{text: []byte(line), typed: true})
	}
	var expired <-chan time.Time
	input := d.entries
	if input == nil {
		var stays bool
		if expired, stays = d.inputOver(); !stays {
			d.close(ws.StatusNormal, "")
		}
	}
	for {
		select {
		case err := <-received:
			return err
		case <-ctx.Done():
			d.over = true
			code := ws.StatusNormal // the time of --for is over
			if d.cmd.Context().Err() != nil {
				code = ws.StatusGoingAway
			}
			d.close(code, "")
			return <-received
		case <-expired:
			d.finish()
			return <-received
		case <-unconnected:
			d.openSession(ctx)
		case <-pings:
			d.pinging.Go(func() { d.ping(ctx, 1) })
		case <-ended: // what was typed before may still be on its way
			ended = nil
			defer time.AfterFunc(endGrace, cancel).Stop()
		case e, ok := <-input:
			if ok {
				d.handle(ctx, e)
				if d.failure == nil {
					continue
				}
				d.finish()
				return <-received
			}
			input, d.entries = nil, nil
			var stays bool
			if expired, stays = d.inputOver(); !stays {
				d.finish()
				return <-received
			}
		}
	}
}

// inputOver says whether the connection goes on without input, and for how long.
func (d *dialing) inputOver() (expired <-chan time.Time, stays bool) {
	o := d.options
	switch {
	case d.readsInput() && isTerminal(d.cmd.InOrStdin()):
		return nil, false
	case !o.waitIsGiven && (o.count > 0 || o.limit > 0 || o.again):
		return nil, true
	case o.wait == 0:
		return nil, false
	}
	return time.After(o.wait), true
}

// finish ends it, as nothing more is wanted.
func (d *dialing) finish() {
	d.over = true
	d.close(ws.StatusNormal, "")
}

func (d *dialing) close(code ws.StatusCode, reason string) {
	d.mu.Lock()
	d.closing = true
	d.mu.Unlock()
	_ = d.conn.Close(code, reason) // receive learns how it ended
}

// receive prints messages until the connection ends, and returns how it did.
func (d *dialing) receive(conn *ws.Conn) error {
	enough := false
	for {
		typ, message, err := conn.Read(context.Background())
		if err != nil {
			return err
		}
		if enough { // the close is under way
			continue
		}
		if enough, err = d.show(typ, message); err != nil {
			_ = conn.CloseNow()
			return err
		}
		if enough {
			d.mu.Lock()
			d.closing = true
			d.mu.Unlock()
			d.pinging.Go(func() { _ = conn.Close(ws.StatusNormal, "") }) // this goroutine has to read the answer
		}
	}
}

// show prints a message, and says whether it was the last that is wanted.
func (d *dialing) show(typ ws.MessageType, message []byte) (enough bool, err error) {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.received++
	if d.speaker != nil && typ == ws.MessageText {
		if objects := spoken.Objects(message); objects != nil {
			for _, object := range objects {
				if enough, err = d.showObject(now, object); enough || err != nil {
					return enough, err
				}
			}
			return false, nil
		}
	}
	d.counted++
	err = d.view.message(typ, message, d.echoed(now, message))
	return d.isEnough(), err
}

// showObject prints an object of godwit.v1. Replies do not count.
func (d *dialing) showObject(now time.Time, object []byte) (enough bool, err error) {
	h := d.speaker.Hear(now, object)
	if h.IsHeartbeat {
		return false, nil
	}
	if h.Aside == "" {
		d.counted++
	}
	if err := d.view.message(ws.MessageText, object, h.Aside); err != nil {
		return false, err
	}
	if h.Note != "" {
		d.view.note("%s", h.Note)
	}
	return h.Aside == "" && d.isEnough(), nil
}

func (d *dialing) isEnough() bool { return d.options.count > 0 && d.counted >= d.options.count }

// echoed is how long a message that has come back was away, "" for any other.
func (d *dialing) echoed(now time.Time, message []byte) string {
	if len(message) > echoBytesMax {
		return ""
	}
	for i, e := range d.echoes {
		if e.text == string(message) {
			d.echoes = slices.Delete(d.echoes, i, i+1)
			return spoken.Took(now.Sub(e.at))
		}
	}
	return ""
}

// end tells how the connection ended and judges it.
func (d *dialing) end(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var e *ws.CloseError
	if !errors.As(err, &e) {
		d.over = true
		return err
	}
	if d.isEnough() {
		d.over = true
	}
	d.view.end(e)
	switch {
	case d.failure != nil:
		return d.failure
	case d.options.again && !d.over:
		return err
	case e.Err == nil && (d.closing || e.Code == ws.StatusNormal || e.Code == ws.StatusGoingAway || e.Code == wire.CloseNoStatus):
	case d.closing && e.Code == wire.CloseAbnormal && d.cmd.Context().Err() != nil:
	default:
		return errors.New("the connection did not end in good order")
	}
	return d.missing()
}

// result is that of a run with --again.
func (d *dialing) result(err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.failure != nil:
		return d.failure
	case err != nil && !errors.Is(err, context.Canceled):
		return err
	}
	return d.missing()
}

// missing says what was asked for and not done.
func (d *dialing) missing() error {
	switch {
	case d.options.count > d.counted && d.cmd.Context().Err() == nil:
		return fmt.Errorf("%d of %d messages came", d.counted, d.options.count)
	case d.undone == 1:
		return errors.New("one line could not be done")
	case d.undone > 1:
		return fmt.Errorf("%d lines could not be done", d.undone)
	}
	return nil
}
