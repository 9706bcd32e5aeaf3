package hooks

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/privateaddr"
)

func TestConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"allow":{"user":"ann","info":{ "name": "Ann" },"grants":{"subscribe":["chat/*","inbox/{user}"]},"expires_in":90.5}}`))
		h := a.start(t, Options{Connect: &Question{Forward: []string{"cookie", "X-Trace"}}})
		if !h.AsksConnect() || h.AsksSubscribe("a") || h.AsksPublish("a") {
			t.Error("asks something else")
		}
		began := time.Now()
		id, err := connect(h, ConnectRequest{
			Path: "/channels/a", Query: `last=1&q="`, Address: "198.51.100.7",
			Fields: [][2]string{{"Cookie", "a=1"}, {"COOKIE", "b=2"}, {"X-Trace", "evil\r\nWebhook-Id: x"}, {"Accept-Language", "de"}, {"Webhook-Id", "mine"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		if id.Kind != access.Application || id.User != "ann" || string(id.Info) != `{"name":"Ann"}` ||
			!id.Expires.Equal(began.Add(90500*time.Millisecond)) || !id.IssuedAt.Equal(began) {
			t.Errorf("got %+v", id)
		}
		if !access.May(id, nil, access.Subscribe, "inbox/ann") || access.May(id, nil, access.Subscribe, "inbox/bob") || access.May(id, nil, access.Publish, "chat/a") {
			t.Errorf("the grants are %s", id.Grants)
		}
		got := a.requests()[0]
		want := `{"type":"connect","timestamp":"2000-01-01T00:00:00.000Z","data":{"path":"/channels/a","query":"last=1&q=\"","address":"198.51.100.7"}}`
		if string(got.body) != want {
			t.Errorf("asked\n%s, want\n%s", got.body, want)
		}
		if got.url != "/hooks?token=query-secret" {
			t.Errorf("asked at %s", got.url)
		}
		if cookies := got.header.Values("Cookie"); !slices.Equal(cookies, []string{"a=1", "b=2"}) {
			t.Errorf("the cookies are %q", cookies)
		}
		for name, want := range map[string]string{
			"X-Trace": "", "Accept-Language": "", "Content-Type": "application/json", "User-Agent": "Godwit", "Accept-Encoding": "",
			"Authorization": "Basic dXNlcjpwYXNzLXdvcmQ=", "Webhook-Timestamp": fmt.Sprint(began.Unix()),
		} {
			if v := got.header.Get(name); v != want {
				t.Errorf("%s: %q, want %q", name, v, want)
			}
		}
		if id := got.header.Get("Webhook-Id"); !strings.HasPrefix(id, "msg_") || len(id) < 24 || strings.Contains(id, ".") {
			t.Errorf("the id is %q", id)
		}
		verifySignature(t, got, testSecret)
	})
}

func TestQuestions(t *testing.T) {
	ann := &access.Identity{User: "ann", Info: json.RawMessage(`{"n":1}`)}
	for name, row := range map[string]struct {
		ask  func(h *Hooks) error
		want string
	}{
		"subscribe": {
			func(h *Hooks) error {
				return subscribe(h, SubscribeRequest{Session: "s1", Identity: ann, Channel: "private/\u2028<a>", Address: "::1"})
			},
			`{"type":"subscribe","timestamp":"2000-01-01T00:00:00.000Z","data":{"session":"s1","user":"ann","info":{"n":1},"channel":"private/\u2028<a>","address":"::1"}}`,
		},
		"nobody": {
			func(h *Hooks) error { return subscribe(h, SubscribeRequest{Channel: "a"}) },
			`{"type":"subscribe","timestamp":"2000-01-01T00:00:00.000Z","data":{"channel":"a"}}`,
		},
		"text": {
			func(h *Hooks) error {
				_, err := publish(h, PublishRequest{Session: "s1", Channel: "a", Event: "e", Key: "k", Kind: hub.Text, Data: []byte("a\"\n")})
				return err
			},
			`{"type":"publish","timestamp":"2000-01-01T00:00:00.000Z","data":{"session":"s1","channel":"a","event":"e","key":"k","kind":"text","data":"a\"\n"}}`,
		},
		"empty": {
			func(h *Hooks) error {
				_, err := publish(h, PublishRequest{Channel: "a"})
				return err
			},
			`{"type":"publish","timestamp":"2000-01-01T00:00:00.000Z","data":{"channel":"a","kind":"text","data":""}}`,
		},
		"json": {
			func(h *Hooks) error {
				_, err := publish(h, PublishRequest{Channel: "a", Kind: hub.JSON, Data: []byte("{\"a\" :\n 1e400}")})
				return err
			},
			`{"type":"publish","timestamp":"2000-01-01T00:00:00.000Z","data":{"channel":"a","kind":"json","data":{"a":1e400}}}`,
		},
		"no json": {
			func(h *Hooks) error {
				_, err := publish(h, PublishRequest{Channel: "a", Kind: hub.JSON, Data: []byte(`1}},"x":{`)})
				return err
			},
			`{"type":"publish","timestamp":"2000-01-01T00:00:00.000Z","data":{"channel":"a","kind":"text","data":"1}},\"x\":{"}}`,
		},
		"binary": {
			func(h *Hooks) error {
				_, err := publish(h, PublishRequest{Channel: "a", Kind: hub.Binary, Data: []byte{0xff, 0, 0xfe}})
				return err
			},
			`{"type":"publish","timestamp":"2000-01-01T00:00:00.000Z","data":{"channel":"a","kind":"binary","data_base64":"/wD+"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := runApplication(t, say(`{"allow":{}}`))
				h := a.start(t, Options{Subscribe: &Question{}, Publish: &Question{}})
				if err := row.ask(h); err != nil {
					t.Fatal(err)
				}
				if got := string(a.requests()[0].body); got != row.want {
					t.Errorf("asked\n%s, want\n%s", got, row.want)
				}
			})
		})
	}
}

// What is handed in may be used for something else as soon as the call has
// returned.
func TestQuestionsKeepCopies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"allow":{}}`))
		h := a.start(t, Options{Publish: &Question{}})
		data, done := []byte("before"), make(chan error)
		h.Publish(PublishRequest{Channel: "a", Data: data}, func(_ PublishAnswer, err error) { done <- err })
		copy(data, "after!")
		if err := <-done; err != nil || !strings.Contains(string(a.requests()[0].body), `"before"`) {
			t.Errorf("%v; asked %s", err, a.requests()[0].body)
		}
	})
}

func TestPublishChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"allow":{"data":"cleaned"}}`))
		r := newRecord()
		h := a.start(t, Options{Publish: &Question{}, Observer: r.observer()})
		answer, err := publish(h, PublishRequest{Channel: "a", Data: []byte("dirty")})
		if err != nil || !answer.Changed || answer.Kind != hub.Text || string(answer.Data) != "cleaned" {
			t.Errorf("%v: %+v", err, answer)
		}
		if r.answered["publish changed"] != 1 {
			t.Errorf("observed %v", r.answered)
		}
	})
}

func TestWhichChannelsAreAskedAbout(t *testing.T) {
	pattern, err := access.ParsePattern("private/*")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"allow":{}}`))
		h := a.start(t, Options{Subscribe: &Question{Channels: []access.Pattern{pattern}}, Publish: &Question{}})
		for channel, want := range map[string]bool{"private/a": true, "private/a/b": false, "public": false} {
			if got := h.AsksSubscribe(channel); got != want {
				t.Errorf("AsksSubscribe(%q) is %v", channel, got)
			}
			if !h.AsksPublish(channel) {
				t.Errorf("AsksPublish(%q) is false", channel)
			}
		}
	})
}

// A call that should not have been made allows nothing.
func TestNobodyDecides(t *testing.T) {
	h, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Hooks{h, nil} {
		if h.AsksConnect() || h.AsksSubscribe("a") || h.AsksPublish("a") || h.Stats() != (Stats{}) {
			t.Error("asks")
		}
		_, err := connect(h, ConnectRequest{})
		refusal(t, err)
		refusal(t, subscribe(h, SubscribeRequest{}))
		_, err = publish(h, PublishRequest{})
		refusal(t, err)
		h.ChannelOccupied("a")
		h.MemberJoined("a", Member{Session: "s"})
		h.SessionOpened(Member{})
		h.SessionClosed(Member{}, "")
		if err := h.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

func TestDenied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"deny":{"reason":"not\r\n your\tchannel"}}`))
		r := newRecord()
		h := a.start(t, Options{Connect: &Question{}, Subscribe: &Question{}, Publish: &Question{}, Observer: r.observer()})
		id, err1 := connect(h, ConnectRequest{})
		err2 := subscribe(h, SubscribeRequest{Channel: "a"})
		answer, err3 := publish(h, PublishRequest{Channel: "a"})
		if id != nil || answer.Changed {
			t.Errorf("got %v and %v", id, answer)
		}
		for _, err := range []error{err1, err2, err3} {
			if got := refusal(t, err); got.Cause != access.Denied || got.Reason != "not your channel" {
				t.Errorf("got %+v", got)
			}
		}
		if want := map[string]int{"connect denied": 1, "subscribe denied": 1, "publish denied": 1}; fmt.Sprint(r.answered) != fmt.Sprint(want) {
			t.Errorf("observed %v", r.answered)
		}
	})
}

// Whatever the application does but allow it, it is not allowed.
func TestFailuresDeny(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no JSON":   say("<h1>It works!</h1>"),
		"nothing":   say(""),
		"neither":   say("{}"),
		"both":      say(`{"allow":{},"deny":{}}`),
		"not found": func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) },
		"allowed with an error": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"allow":{}}`)
		},
		"no content": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) },
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"allow":{}}`)
		},
		"hung up": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"too long": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"allow":{}}`+strings.Repeat(" ", 1<<20))
		},
		"long head": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 20<<10))
			_, _ = io.WriteString(w, `{"allow":{}}`)
		},
		"compressed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write([]byte{0x1f, 0x8b, 8, 0})
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodGet || r.URL.Path == "/elsewhere" {
				_, _ = io.WriteString(w, `{"allow":{}}`)
				return
			}
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := runApplication(t, handler)
				r := newRecord()
				h := a.start(t, Options{Subscribe: &Question{}, Observer: r.observer()})
				if got := refusal(t, subscribe(h, SubscribeRequest{Channel: "a"})); got.Cause != access.Unavailable {
					t.Errorf("got %+v", got)
				}
				if n := len(a.requests()); n != 1 || r.answered["subscribe failed"] != 1 {
					t.Errorf("%d requests, observed %v", n, r.answered)
				}
			})
		})
	}
}

func TestTimeouts(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": hang,
		"an answer without end": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, " ")
				_ = http.NewResponseController(w).Flush()
				pause(r.Context(), 100*time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := runApplication(t, handler)
				h := a.start(t, Options{Connect: &Question{}, Subscribe: &Question{Timeout: 700 * time.Millisecond}})
				began := time.Now()
				_, err := connect(h, ConnectRequest{})
				refusal(t, err)
				if took := time.Since(began); took != DefaultTimeout {
					t.Errorf("took %v", took)
				}
				began = time.Now()
				refusal(t, subscribe(h, SubscribeRequest{}))
				if took := time.Since(began); took != 700*time.Millisecond {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// Neither the wait for a place nor the second attempt makes a question take longer
// than its time.
func TestTimeoutOfWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, hang)
		r := newRecord()
		h := a.start(t, Options{Subscribe: &Question{}, Concurrency: 2, WaitingMax: 3, Observer: r.observer()})
		began := time.Now()
		done := make(chan time.Duration, 6)
		for i := range 6 {
			h.Subscribe(SubscribeRequest{Channel: fmt.Sprint(i)}, func(err error) {
				refusal(t, err)
				done <- time.Since(began)
			})
			if i == 2 {
				synctest.Wait() // two run, one waits
			}
		}
		// 3 and 4 wait, too; 5 is too many.
		if s := h.Stats().Subscribe; s != (QuestionStats{Running: 2, Waiting: 3}) {
			t.Errorf("stats are %+v", s)
		}
		if took := <-done; took != 0 {
			t.Errorf("one too many took %v", took)
		}
		for range 5 {
			if took := <-done; took != DefaultTimeout {
				t.Errorf("took %v", took)
			}
		}
		synctest.Wait()
		if n := len(a.requests()); n != 2 || r.answered["subscribe failed"] != 5 || r.answered["subscribe refused"] != 1 {
			t.Errorf("%d requests; observed %v", n, r.answered)
		}
		if s := h.Stats().Subscribe; s != (QuestionStats{}) {
			t.Errorf("stats are %+v", s)
		}
	})
}

// So many are asked at once, and what waits is asked as soon as there is a place.
func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most atomic.Int32
		a := runApplication(t, func(w http.ResponseWriter, r *http.Request) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			pause(r.Context(), 100*time.Millisecond)
			running.Add(-1)
			_, _ = io.WriteString(w, `{"allow":{}}`)
		})
		h := a.start(t, Options{Subscribe: &Question{}})
		done := make(chan error, 640)
		began := time.Now()
		for range 640 {
			h.Subscribe(SubscribeRequest{Channel: "a"}, func(err error) { done <- err })
		}
		for range 640 {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); most.Load() != DefaultConcurrency || took != time.Second {
			t.Errorf("at most %d at once, in %v", most.Load(), took)
		}
	})
}

// A question that was not sent is sent again, once.
func TestRetry(t *testing.T) {
	for refused, want := range map[int32]bool{1: true, 2: false} {
		synctest.Test(t, func(t *testing.T) {
			a := runApplication(t, say(`{"allow":{}}`))
			h := a.start(t, Options{Subscribe: &Question{}})
			a.refused.Store(refused)
			began := time.Now()
			if err := subscribe(h, SubscribeRequest{Channel: "a"}); (err == nil) != want {
				t.Errorf("%d refused: %v", refused, err)
			}
			if took := time.Since(began); took != retryPause {
				t.Errorf("took %v", took)
			}
			if left := a.refused.Load(); left > 0 || want && len(a.requests()) != 1 {
				t.Errorf("%d refusals are left, %d requests", left, len(a.requests()))
			}
		})
	}
}

// An address where no request goes is no better the second time.
func TestNoRetryOfWhatIsForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, say(`{"allow":{}}`))
		h := a.start(t, Options{Subscribe: &Question{}})
		dialled := 0
		h.subscribe.client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			dialled++
			return nil, &net.OpError{Op: "dial", Net: network, Err: privateaddr.Guard(ctx, network, "10.0.0.1:80", nil)}
		}
		began := time.Now()
		refusal(t, subscribe(h, SubscribeRequest{Channel: "a"}))
		if dialled != 1 || time.Since(began) != 0 {
			t.Errorf("dialled %d times within %v", dialled, time.Since(began))
		}
	})
}

// A connection that does not come about is not waited for longer than the question.
func TestDiallingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan time.Time, 8)
		h, err := New(&Options{
			Subscribe: &Question{URL: testURL}, Secrets: [][]byte{[]byte(testSecret)}, Logger: slog.New(slog.DiscardHandler),
			dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				ended <- time.Now()
				return nil, ctx.Err()
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		refusal(t, subscribe(h, SubscribeRequest{Channel: "a"}))
		closeNow(h)
		if took := (<-ended).Sub(began); took != DefaultTimeout {
			t.Errorf("dialled for %v", took)
		}
	})
}

// One that was sent is not, also if it went into a connection that the application
// was about to close.
func TestNoRetryOfWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) > 1 {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, `{"allow":{}}`)
		})
		h := a.start(t, Options{Subscribe: &Question{}})
		if err := subscribe(h, SubscribeRequest{Channel: "a"}); err != nil {
			t.Fatal(err)
		}
		refusal(t, subscribe(h, SubscribeRequest{Channel: "a"}))
		if len(a.requests()) != 2 {
			t.Errorf("%d requests", len(a.requests()))
		}
	})
}

// An application that does not answer is left alone for a while, and clients are
// told at once.
func TestBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var well atomic.Bool
		a := runApplication(t, func(w http.ResponseWriter, r *http.Request) {
			if !well.Load() {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = io.WriteString(w, `{"allow":{}}`)
		})
		r, log := newRecord(), new(lockedBuffer)
		h := a.start(t, Options{Subscribe: &Question{}, Observer: r.observer(), Logger: slog.New(slog.NewTextHandler(log, nil))})
		for range breakerAsked {
			refusal(t, subscribe(h, SubscribeRequest{}))
		}
		began := time.Now()
		if got := refusal(t, subscribe(h, SubscribeRequest{})); got.Cause != access.Unavailable || got.RetryAfter != breakerOpen {
			t.Errorf("got %+v", got)
		}
		if !h.Stats().Subscribe.Open || time.Since(began) != 0 || len(a.requests()) != breakerAsked || r.answered["subscribe refused"] != 1 {
			t.Errorf("%+v, %d requests, observed %v", h.Stats(), len(a.requests()), r.answered)
		}
		<-time.After(breakerOpen + time.Millisecond)
		refusal(t, subscribe(h, SubscribeRequest{})) // the test
		refusal(t, subscribe(h, SubscribeRequest{}))
		if n := len(a.requests()); n != breakerAsked+1 {
			t.Errorf("%d requests", n)
		}
		well.Store(true)
		<-time.After(breakerOpen + time.Millisecond)
		for range 3 {
			if err := subscribe(h, SubscribeRequest{}); err != nil {
				t.Error(err)
			}
		}
		if s := log.String(); strings.Count(s, "does not answer") != 2 || strings.Count(s, "answers again") != 1 || strings.Contains(s, "secret") || strings.Contains(s, "pass-word") {
			t.Errorf("logged\n%s", s)
		}
	})
}

// A client whose questions the application fails does not stop those of others.
func TestBreakerStaysClosedForOneWhoAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch {
			case strings.Contains(string(body), "500"):
				w.WriteHeader(http.StatusInternalServerError)
			case strings.Contains(string(body), "nonsense"):
				_, _ = io.WriteString(w, "oops")
			default:
				_, _ = io.WriteString(w, `{"allow":{}}`)
			}
		})
		log := new(lockedBuffer)
		h := a.start(t, Options{Subscribe: &Question{}, Logger: slog.New(slog.NewTextHandler(log, nil))})
		for range 50 {
			refusal(t, subscribe(h, SubscribeRequest{Channel: "500"}))
			refusal(t, subscribe(h, SubscribeRequest{Channel: "nonsense"}))
		}
		if err := subscribe(h, SubscribeRequest{Channel: "a"}); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines were logged in no time:\n%s", n, log)
		}
		<-time.After(complaintEvery)
		refusal(t, subscribe(h, SubscribeRequest{Channel: "500"}))
		if s := log.String(); !strings.Contains(s, "others_since_the_last=99") {
			t.Errorf("logged\n%s", s)
		}
	})
}

func TestRetryAfterOfQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(http.StatusTooManyRequests)
		})
		h := a.start(t, Options{Subscribe: &Question{}})
		if got := refusal(t, subscribe(h, SubscribeRequest{})); got.Cause != access.Unavailable || got.RetryAfter != 7*time.Second {
			t.Errorf("got %+v", got)
		}
	})
}

func TestCloseWaitsForAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, func(w http.ResponseWriter, r *http.Request) {
			pause(r.Context(), time.Second)
			_, _ = io.WriteString(w, `{"allow":{}}`)
		})
		h := a.start(t, Options{Subscribe: &Question{}, Concurrency: 1})
		done := make(chan error, 2)
		for range 2 {
			h.Subscribe(SubscribeRequest{}, func(err error) { done <- err })
		}
		began := time.Now()
		if err := h.Close(context.Background()); err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		refusal(t, subscribe(h, SubscribeRequest{}))
		if err := h.Close(context.Background()); err != nil {
			t.Errorf("closed again: %v", err)
		}
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := runApplication(t, hang)
		h := a.start(t, Options{Subscribe: &Question{Timeout: NoLimit}, Concurrency: 1})
		done := make(chan error, 2)
		for range 2 {
			h.Subscribe(SubscribeRequest{}, func(err error) { done <- err })
		}
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := h.Close(ctx); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		for range 2 {
			refusal(t, <-done)
		}
	})
}

func TestAskingNothingAllocatesNothing(t *testing.T) {
	pattern, err := access.ParsePattern("private/**")
	if err != nil {
		t.Fatal(err)
	}
	h := &Hooks{publish: &asker{channels: []access.Pattern{pattern}}}
	if n := testing.AllocsPerRun(100, func() { _ = h.AsksPublish("public/a") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAsksPublish(b *testing.B) {
	pattern, err := access.ParsePattern("private/**")
	if err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]*Hooks{"no hooks": nil, "not asked": {}, "another channel": {publish: &asker{channels: []access.Pattern{pattern}}}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if h.AsksPublish("public/a") {
					b.Fatal("asks")
				}
			}
		})
	}
}
