package loadgen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/loadgen/internal/eventstream"
	"github.com/godwit-io/godwit/loadgen/internal/http1"
)

// gapEvent is the name of the event with which a channel of Godwit's says that
// something is missing.
const gapEvent = "gap"

// SSE measures a server that sends publications to many streams of
// Server-Sent Events. On its own it speaks to a channel's URL of Godwit: a GET
// opens a stream and a POST publishes. Options.Publishing is for other servers.
// Publications are found by their payload, wherever it is in the data of an
// event. It returns what Echo returns.
func SSE(ctx context.Context, target string, o Options) (*Report, error) {
	r, err := prepare(KindSSE, target, o)
	if err != nil {
		return nil, err
	}
	s := &sse{broadcast: newBroadcast(r, r.o.Publishing.Publishers), streams: make([]*stream, r.o.Connections)}
	s.write = s.post
	if err := s.prepare(target); err != nil {
		return nil, err
	}
	if err := r.begin(ctx, func() error { return s.try(ctx) }); err != nil {
		return nil, err
	}
	if s.sockets, err = newSockets(!r.o.isVirtual()); err != nil {
		return nil, err
	}
	defer s.close()
	r.openAll(ctx, s.openStream)
	s.streams = slices.DeleteFunc(s.streams, func(s *stream) bool { return s == nil })
	if len(s.streams) == 0 {
		return nil, r.nothingOpened(ctx)
	}
	for _, stream := range s.streams {
		s.listeners = append(s.listeners, stream.listener)
	}
	if err := s.probe(ctx); err != nil {
		return nil, err
	}
	for p := range s.posters {
		r.work.Go(func() { s.publish(p) })
	}
	r.measure(ctx)
	s.drain(ctx)
	s.close()
	r.latency.collect()
	s.account()
	s.describe()
	return r.finish(), nil
}

// sse is a broadcast to event streams, published with requests.
type sse struct {
	*broadcast
	dialer  *httpDialer
	request []byte // for a stream
	sockets *sockets
	streams []*stream
	posters []*poster
	posting *recorder
	busy    []atomic.Int64 // by publisher: how long requests were under way, in ns
	gaps    atomic.Int64
}

// prepare makes the requests.
func (s *sse) prepare(target string) (err error) {
	if s.dialer, err = newHTTPDialer(target, &s.o); err != nil {
		return err
	}
	accept := http.Header{"Accept": {"text/event-stream"}, "Cache-Control": {"no-cache"}}
	if s.request, err = requestOf(http.MethodGet, target, nil, userAgent, accept, s.o.Header); err != nil {
		return err
	}
	publisher, err := newHTTPDialer(s.o.Publishing.URL, &s.o)
	if err != nil {
		return err
	}
	s.posting = newRecorder()
	s.busy = make([]atomic.Int64, s.publishers)
	for p := range s.publishers {
		poster, err := s.o.newPoster(publisher, s.o.Connections+int(p), s.payloads)
		if err != nil {
			return err
		}
		s.posters = append(s.posters, poster)
	}
	s.report.Load.Publishers = len(s.posters)
	return nil
}

// try opens a stream to learn whether it can be done.
func (s *sse) try(ctx context.Context) error {
	stream := s.newStream(0)
	conn, _, err := stream.connect(ctx, 0)
	if err != nil {
		return fmt.Errorf("loadgen: cannot open a stream: %w", err)
	}
	return conn.Close()
}

// openStream opens stream i.
func (s *sse) openStream(ctx context.Context, i int) error {
	stream := s.newStream(i)
	conn, early, err := stream.connect(ctx, i)
	if err != nil {
		return err
	}
	if err := stream.receive(early); err != nil {
		_ = conn.Close()
		return fmt.Errorf("the stream ended at once: %w", err)
	}
	if _, err := s.sockets.adopt(conn, stream); err != nil {
		return err
	}
	s.streams[i] = stream
	return nil
}

// post publishes, and counts how long that took.
func (s *sse) post(ctx context.Context, publisher int, number uint64) error {
	p := s.posters[publisher]
	p.request.write(s.payloads, s.sender(publisher), number)
	began := s.now()
	err := p.post(ctx)
	ended := s.now()
	if s.measuring.Load() != notYet {
		s.busy[publisher].Add(int64(max(0, min(ended, s.until)-max(began, s.from))))
		if err == nil && s.isMeasured(began) {
			s.posting.shard(publisher).recordLatency(ended - began)
		}
	}
	if err == nil {
		return nil
	}
	if _, answered := errors.AsType[*statusError](err); !answered {
		new(alarm).wait(ctx, failurePause) // a server that is gone is not asked a million times
	}
	return &notTaken{err}
}

// close ends all connections and waits for their work. It may be called again.
func (s *sse) close() {
	s.end()
	s.sockets.close()
	s.work.Wait()
	for _, p := range s.posters {
		p.leave()
		p.close()
	}
}

// describe says in the report what became of the requests.
func (s *sse) describe() {
	s.posting.collect()
	p := &Publishing{Connections: len(s.posters), Latency: s.posting.latencies()}
	for i, poster := range s.posters {
		p.Reopened += poster.again
		if measured := min(s.last.at, s.until) - s.from; measured > 0 {
			p.Busy += float64(s.busy[i].Load()) / float64(measured) / float64(len(s.posters))
		}
	}
	p.Busy = min(p.Busy, 1)
	s.report.Publishing = p
	if n := s.gaps.Load(); n > 0 {
		s.note(fmt.Sprintf("The server announced %s: it had given up what a stream was too slow for.", plural(int(n), "gap")))
	}
}

// stream is a listener with an event stream.
type stream struct {
	*listener
	sse    *sse
	reader http1.Reader
	parser eventstream.Parser
}

func (s *sse) newStream(i int) *stream {
	return &stream{listener: s.newListener(i), sse: s, parser: eventstream.Parser{BytesMax: s.o.Size + messageBytesBeside}}
}

// connect opens a connection and reads the head of the response. What has arrived
// behind it is returned.
func (s *stream) connect(ctx context.Context, i int) (net.Conn, []byte, error) {
	d := s.sse.dialer
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.dial(ctx, i)
	if err != nil {
		return nil, nil, err
	}
	done := d.bound(ctx, conn)
	early, err := s.begin(conn)
	if err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	done()
	return conn, early, nil
}

// begin asks for the stream and reads the head of the response.
func (s *stream) begin(conn net.Conn) (early []byte, err error) {
	if _, err := conn.Write(s.sse.request); err != nil {
		return nil, err
	}
	buffer := make([]byte, posterBytes)
	for {
		n, broken := conn.Read(buffer)
		kind, _, took, err := s.reader.Next(buffer[:n])
		switch {
		case err != nil:
			return nil, err
		case kind == http1.Head:
			early = buffer[took:n]
			return early, s.check(conn, early)
		case broken != nil:
			return nil, whyEnded(broken)
		}
	}
}

// check returns an error unless the response is an event stream.
func (s *stream) check(conn net.Conn, early []byte) error {
	p := s.reader.Response()
	if refused := refusalOf(p); refused != nil {
		kind, content, _, _ := s.reader.Next(early)
		if kind == http1.More { // it is to come
			n, _ := io.ReadAtLeast(conn, early[:cap(early)], 1)
			_, content, _, _ = s.reader.Next(early[:n])
		}
		refused.add(content)
		return refused
	}
	contentType, _, _ := strings.Cut(string(p.ContentType), ";")
	switch coding := string(p.ContentEncoding); {
	case p.Status != http.StatusOK:
		return fmt.Errorf("the server answered %d and not 200", p.Status)
	case !strings.EqualFold(strings.TrimSpace(contentType), "text/event-stream"):
		return fmt.Errorf("the server answered with %.100q and not with text/event-stream", p.ContentType)
	case coding != "" && !strings.EqualFold(coding, "identity"):
		return fmt.Errorf("the stream is encoded with %.100q, which was not asked for", coding)
	}
	return nil
}

// receive takes what has arrived.
func (s *stream) receive(b []byte) error {
	now := s.now()
	for {
		kind, content, n, err := s.reader.Next(b)
		b = b[n:]
		switch {
		case err != nil:
			return err
		case kind == http1.More:
			return nil
		case kind == http1.End:
			return errPeerEnded
		case kind == http1.Content:
			if err := s.take(content, now); err != nil {
				return err
			}
		}
	}
}

// take takes the events that are in a piece of the content.
func (s *stream) take(content []byte, now time.Duration) error {
	for {
		e, n, ok, err := s.parser.Next(content)
		content = content[n:]
		switch {
		case err != nil || !ok:
			return err
		case string(e.Name) == gapEvent && !strings.Contains(string(e.Data), publishMarker):
			s.announced = true
			s.sse.gaps.Add(1)
		default:
			s.search(e.Data, now)
		}
	}
}

// ended counts the end of the stream.
func (s *stream) ended(err error) {
	s.leave(whyEnded(err))
}
