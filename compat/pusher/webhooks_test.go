package pusher

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/hub"
)

// application is what webhooks are sent to.
type application struct {
	t *testing.T

	mu      sync.Mutex // guards what follows
	status  int        // what it answers, 0 for nothing at all
	heard   []string
	batches int
	wrong   []string
}

// RoundTrip implements http.RoundTripper.
func (a *application) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.batches++
	if err != nil || r.Header.Get("Content-Type") != "application/json" || r.Header.Get("X-Pusher-Key") != testKey ||
		r.Header.Get("X-Pusher-Signature") != protocol.Sign(testSecret, string(body)) || r.Method != "POST" {
		a.wrong = append(a.wrong, string(body))
	}
	if a.status != 200 {
		if a.status == 0 {
			return nil, errors.New("nobody answers")
		}
		return respond(a.status)
	}
	var m struct {
		Time   int64             `json:"time_ms"`
		Events []json.RawMessage `json:"events"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Time == 0 {
		a.wrong = append(a.wrong, string(body))
	}
	for _, e := range m.Events {
		a.heard = append(a.heard, string(e))
	}
	return respond(200)
}

// take returns what it has heard since.
func (a *application) take() []string {
	a.t.Helper()
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.wrong != nil {
		a.t.Errorf("not as they should be: %q", a.wrong)
	}
	heard := a.heard
	a.heard = nil
	return heard
}

func (a *application) expect(about string, want ...string) {
	a.t.Helper()
	if got := a.take(); !slices.Equal(got, want) {
		a.t.Errorf("%s: heard\n%s\nwant\n%s", about, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// withApplication runs a test in virtual time, with a server that tells an application.
func withApplication(t *testing.T, change func(*app.App, *Options), test func(f *fixture, a *application)) {
	synctest.Test(t, func(t *testing.T) {
		a := &application{t: t, status: 200}
		tenant := testApp()
		tenant.Webhooks = []app.Webhook{{URL: "https://app.example/hook"}}
		f := newFixture(t, func(o *Options) {
			o.Webhooks.Wrap = func(http.RoundTripper) http.RoundTripper { return a }
			o.Now = time.Now
			if change != nil {
				change(&tenant, o)
			}
		}, tenant)
		if change != nil {
			if err := f.apps.Replace([]app.App{tenant}); err != nil {
				t.Fatal(err)
			}
		}
		test(f, a)
	})
}

func TestWebhooks(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		ann := f.edge("ann", "presence-x", "a/b", "@ann")
		a.expect("one", `{"name":"channel_occupied","channel":"presence-x"}`, `{"name":"member_added","channel":"presence-x","user_id":"ann"}`)
		second, bob := f.edge("ann", "presence-x"), f.edge("bob", "presence-x")
		a.expect("two more", `{"name":"member_added","channel":"presence-x","user_id":"bob"}`)
		ann.Close()
		bob.Close()
		<-time.After(3*time.Second - 1)
		a.expect("before the delay")
		<-time.After(1)
		a.expect("after the delay", `{"name":"member_removed","channel":"presence-x","user_id":"bob"}`)
		second.Close()
		<-time.After(2 * time.Second)
		back := f.edge("ann", "presence-x")
		<-time.After(time.Minute)
		a.expect("somebody who is back")
		back.Close()
		<-time.After(3 * time.Second)
		got := a.take()
		slices.Sort(got)
		if want := []string{`{"name":"channel_vacated","channel":"presence-x"}`, `{"name":"member_removed","channel":"presence-x","user_id":"ann"}`}; !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
		if tt := f.server.tellings; len(tt.channels)+len(tt.members)+len(tt.senders) != 0 {
			t.Errorf("%d channels, %d members and %d senders are remembered", len(tt.channels), len(tt.members), len(tt.senders))
		}
	})
}

// The delay counts from the last time that somebody left.
func TestWebhooksWaitForTheLastOne(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		f.edge("", "news").Close()
		<-time.After(2 * time.Second)
		f.edge("", "news").Close()
		a.expect("twice", `{"name":"channel_occupied","channel":"news"}`)
		<-time.After(2 * time.Second)
		a.expect("after the first delay")
		<-time.After(time.Second)
		a.expect("after the second", `{"name":"channel_vacated","channel":"news"}`)
	})
}

func TestWebhooksOfCounts(t *testing.T) {
	withApplication(t, func(a *app.App, _ *Options) {
		a.SubscriptionCounts, a.Webhooks[0].Events = true, []string{"subscription_count"}
	}, func(f *fixture, a *application) {
		defer f.edge("", "news", "presence-x").Close()
		second := f.edge("", "news")
		<-time.After(time.Second)
		a.expect("two", `{"name":"subscription_count","channel":"news","subscription_count":2}`)
		second.Close()
		f.edge("", "news").Close()
		<-time.After(time.Second)
		a.expect("one", `{"name":"subscription_count","channel":"news","subscription_count":1}`)
		defer f.edge("", "news").Close()
		f.edge("", "news").Close()
		<-time.After(time.Second)
		a.expect("two again", `{"name":"subscription_count","channel":"news","subscription_count":2}`)
	})
}

func TestWebhooksOfClients(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		l := f.server.appOf(f.apps.ByID("app")).Listener
		l.CacheMiss("cache-x")
		l.CacheMiss("cache-x")
		a.expect("an empty channel", `{"name":"cache_miss","channel":"cache-x"}`)
		f.now = time.Now()
		f.trigger(`{"name":"e","channel":"cache-x","data":"x"}`)
		l.CacheMiss("cache-x")
		a.expect("one that is empty again", `{"name":"cache_miss","channel":"cache-x"}`)
		l.ClientEvent("presence-x", "client-x", []byte(`{"a":1}`), "1.2", "ann")
		l.ClientEvent("private-x", "client-x", []byte("\"<é"), "1.2", "")
		a.expect("client events", `{"name":"client_event","channel":"presence-x","event":"client-x","data":"{\"a\":1}","socket_id":"1.2","user_id":"ann"}`,
			`{"name":"client_event","channel":"private-x","event":"client-x","data":"\"<é","socket_id":"1.2"}`)
	})
}

// An event that is not taken is sent again for a while, in order, and everything behind it waits.
func TestWebhooksAreSentAgain(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		a.status = 500
		defer f.edge("", "news").Close()
		synctest.Wait()
		defer f.edge("", "more").Close()
		a.expect("nothing taken")
		a.mu.Lock()
		a.status = 0
		a.mu.Unlock()
		<-time.After(time.Second)
		a.expect("nobody there")
		a.mu.Lock()
		a.status = 204
		batches := a.batches
		a.mu.Unlock()
		<-time.After(2*time.Second - 1)
		a.expect("before the third attempt")
		a.mu.Lock()
		a.status = 200
		a.mu.Unlock()
		<-time.After(1)
		a.expect("the third attempt", `{"name":"channel_occupied","channel":"news"}`, `{"name":"channel_occupied","channel":"more"}`)
		if batches != 2 {
			t.Errorf("%d attempts in the first second", batches)
		}
	})
}

// An event that is too old is given up, and logged.
func TestWebhooksAreGivenUp(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		a.status = 503
		defer f.edge("", "news").Close()
		<-time.After(5 * time.Minute)
		synctest.Wait()
		if log := f.logged(); !strings.Contains(log, "given up") || !strings.Contains(log, "503") || a.batches < 8 || a.batches > 10 {
			t.Errorf("%d attempts, and the log says %s", a.batches, log)
		}
		a.status = 200
		defer f.edge("", "more").Close()
		a.expect("what comes later", `{"name":"channel_occupied","channel":"more"}`)
	})
}

// What waits has a bound.
func TestWebhooksThatWaitAreFew(t *testing.T) {
	withApplication(t, func(_ *app.App, o *Options) { o.Webhooks.EventsMax = 3 }, func(f *fixture, a *application) {
		a.status = 0
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			defer f.edge("", name).Close()
		}
		synctest.Wait()
		a.mu.Lock()
		a.status = 200
		a.mu.Unlock()
		<-time.After(time.Minute)
		a.expect("the first three", `{"name":"channel_occupied","channel":"a"}`, `{"name":"channel_occupied","channel":"b"}`, `{"name":"channel_occupied","channel":"c"}`)
		if log := f.logged(); !strings.Contains(log, "events=2") {
			t.Errorf("the log says %s", log)
		}
	})
}

// A server that ends sends what there is once, and waits no longer.
func TestWebhooksAtTheEnd(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		a.status = 500
		defer f.edge("", "news").Close()
		synctest.Wait()
		began := time.Now()
		if err := f.server.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 || !strings.Contains(f.logged(), "given up") {
			t.Errorf("it has taken %v, and the log says %s", took, f.logged())
		}
	})
}

// An app that is removed is told no more.
func TestWebhooksOfAnAppThatIsGone(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		a.status = 500
		defer f.edge("", "news").Close()
		synctest.Wait()
		if err := f.apps.Replace(nil); err != nil {
			t.Fatal(err)
		}
		a.mu.Lock()
		a.status = 200
		a.mu.Unlock()
		<-time.After(time.Minute)
		a.expect("nothing")
	})
}

// Nobody has the server ask addresses that are not on the public internet, unless that is wanted.
func TestWebhooksDoNotGoToPrivateAddresses(t *testing.T) {
	asked := make(chan struct{}, 10)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{} }))
	defer s.Close()
	for _, allowed := range []bool{false, true} {
		tenant := testApp()
		tenant.Webhooks = []app.Webhook{{URL: s.URL + "/hook?token=hidden"}}
		f := newFixture(t, func(o *Options) { o.Webhooks.AllowPrivate, o.Webhooks.Retry = allowed, time.Nanosecond }, tenant)
		e := f.edge("", "news")
		f.server.tellings.sent.Wait()
		if got := len(asked) > 0; got != allowed {
			t.Errorf("with AllowPrivate %v it is asked: %v", allowed, got)
		}
		if log := f.logged(); !allowed && (!strings.Contains(log, "loopback address") || strings.Contains(log, "hidden")) {
			t.Errorf("the log says %s", log)
		}
		e.Close()
	}
}

// A member is the user of the subscription, not of the session.
func TestWebhooksNameWhoIsShown(t *testing.T) {
	withApplication(t, nil, func(f *fixture, a *application) {
		e := f.edge("")
		defer e.Close()
		e.SetIdentity(&access.Identity{User: "session"})
		e.Subscribe(1, "presence-x", hub.SubscribeOptions{Member: &access.Identity{User: "shown"}})
		a.expect("one", `{"name":"channel_occupied","channel":"presence-x"}`, `{"name":"member_added","channel":"presence-x","user_id":"shown"}`)
	})
}
