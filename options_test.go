package godwit_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/client"
	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/piesocket"
	"github.com/godwit-io/godwit/compat/pusher"
	compatsocketio "github.com/godwit-io/godwit/compat/socketio"
	compatsockjs "github.com/godwit-io/godwit/compat/sockjs"
	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/engine"
	"github.com/godwit-io/godwit/engineio"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/hub/brokertest"
	"github.com/godwit-io/godwit/hub/cluster"
	"github.com/godwit-io/godwit/hub/membroker"
	"github.com/godwit-io/godwit/inspect"
	"github.com/godwit-io/godwit/internal/policy"
	"github.com/godwit-io/godwit/loadgen"
	"github.com/godwit-io/godwit/socketio"
	"github.com/godwit-io/godwit/sockjs"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
	"github.com/godwit-io/godwit/ws/wstest"
)

// options are the structs that programs fill with numbers and durations. In each of
// them zero is the default and a negative value is refused by its name; each has a
// function here that uses a value of it and returns what it is refused with.
var options = map[string]struct {
	of  reflect.Type
	use func(t *testing.T, o any) error // o is a pointer
}{
	"ws.Options": {reflect.TypeFor[ws.Options](), func(_ *testing.T, o any) error {
		near, far := net.Pipe()
		defer far.Close()
		return ws.NewServerConn(near, o.(*ws.Options)).Err()
	}},
	"ws.AcceptOptions": {reflect.TypeFor[ws.AcceptOptions](), func(_ *testing.T, o any) error {
		_, err := ws.Accept(httptest.NewRecorder(), upgrade(), o.(*ws.AcceptOptions))
		return err
	}},
	"ws.DialOptions": {reflect.TypeFor[ws.DialOptions](), func(t *testing.T, o any) error {
		_, _, err := ws.Dial(t.Context(), "ws://127.0.0.1:1/", o.(*ws.DialOptions))
		return err
	}},
	"ws.Redialer": {reflect.TypeFor[ws.Redialer](), func(t *testing.T, o any) error {
		r := o.(*ws.Redialer)
		r.URL = "ws://127.0.0.1:1/"
		return r.Run(t.Context(), nil)
	}},
	"ws/deflate.Options": {reflect.TypeFor[deflate.Options](), func(_ *testing.T, o any) error {
		return o.(*deflate.Options).Validate()
	}},
	"ws/driver.Options": {reflect.TypeFor[driver.Options](), func(_ *testing.T, o any) error {
		_, err := o.(*driver.Options).WithDefaults()
		return err
	}},
	"ws/wstest.PipeOptions": {reflect.TypeFor[wstest.PipeOptions](), func(_ *testing.T, o any) (err error) {
		defer func() { err, _ = fmt.Errorf("%v", recover()), 0 }()
		wstest.Pipe(o.(*wstest.PipeOptions))
		return nil
	}},
	"engine.Options": {reflect.TypeFor[engine.Options](), func(_ *testing.T, o any) error {
		s := &engine.Server{Handler: engine.NopHandler{}, Options: *o.(*engine.Options)}
		return s.ListenAndServe("127.0.0.1:0")
	}},
	"engine.Server": {reflect.TypeFor[engine.Server](), func(_ *testing.T, o any) error {
		s := o.(*engine.Server)
		s.Handler = engine.NopHandler{}
		return s.ListenAndServe("127.0.0.1:0")
	}},
	"engineio.Options": {reflect.TypeFor[engineio.Options](), func(_ *testing.T, o any) error {
		_, err := engineio.New(engineio.NopHandler{}, o.(*engineio.Options))
		return err
	}},
	"hub.Options": {reflect.TypeFor[hub.Options](), func(t *testing.T, o any) error {
		_, err := hub.New(newBroker(t), o.(*hub.Options))
		return err
	}},
	"hub/cluster.Options": {reflect.TypeFor[cluster.Options](), func(t *testing.T, o any) error {
		shared := brokertest.NewShared(newBroker(t))
		n, err := cluster.Join(t.Context(), shared.NewBroker(), o.(*cluster.Options))
		if err == nil {
			n.Close()
		}
		return err
	}},
	"hub.SubscribeOptions": {reflect.TypeFor[hub.SubscribeOptions](), func(t *testing.T, o any) error {
		h, err := hub.New(newBroker(t), nil)
		if err != nil {
			return err
		}
		defer h.Close()
		s, err := h.Connect("test", nil)
		if err != nil {
			return err
		}
		s.Subscribe(0, "c", *o.(*hub.SubscribeOptions))
		pushes, err := s.Take(nil)
		if len(pushes) == 1 {
			err = pushes[0].Outcome.Err
		}
		return err
	}},
	"hub.RegisterOptions": {reflect.TypeFor[hub.RegisterOptions](), func(t *testing.T, o any) error {
		h, err := hub.New(newBroker(t), nil)
		if err != nil {
			return err
		}
		defer h.Close()
		s, err := h.Connect("test", nil)
		if err != nil {
			return err
		}
		s.Register(0, "m", *o.(*hub.RegisterOptions))
		pushes, err := s.Take(nil)
		if len(pushes) == 1 {
			err = pushes[0].Outcome.Err
		}
		return err
	}},
	"hub/membroker.Options": {reflect.TypeFor[membroker.Options](), func(_ *testing.T, o any) error {
		_, err := membroker.New(o.(*membroker.Options))
		return err
	}},
	"transport.Options": {reflect.TypeFor[transport.Options](), func(t *testing.T, o any) error {
		h, err := hub.New(newBroker(t), nil)
		if err != nil {
			return err
		}
		defer h.Close()
		_, err = transport.New(h, o.(*transport.Options))
		return err
	}},
	"compat/sockjs.Options": {reflect.TypeFor[compatsockjs.Options](), func(_ *testing.T, o any) error {
		_, err := compatsockjs.New(nil, o.(*compatsockjs.Options))
		return err
	}},
	"socketio.Options": {reflect.TypeFor[socketio.Options](), func(_ *testing.T, o any) error {
		_, err := socketio.New(o.(*socketio.Options))
		return err
	}},
	"compat/socketio.Options": {reflect.TypeFor[compatsocketio.Options](), func(t *testing.T, o any) error {
		h, err := hub.New(newBroker(t), nil)
		if err != nil {
			return err
		}
		defer h.Close()
		channels, err := transport.New(h, nil)
		if err != nil {
			return err
		}
		_, err = compatsocketio.New(channels, o.(*compatsocketio.Options))
		return err
	}},
	"sockjs.Options": {reflect.TypeFor[sockjs.Options](), func(_ *testing.T, o any) error {
		_, err := sockjs.New(sockjs.NopHandler{}, o.(*sockjs.Options))
		return err
	}},
	"compat/pusher.Options": {reflect.TypeFor[pusher.Options](), func(t *testing.T, o any) error {
		h, err := hub.New(newBroker(t), nil)
		if err != nil {
			return err
		}
		defer h.Close()
		p := o.(*pusher.Options)
		p.Hub = h
		if p.Apps, err = app.New(nil); err != nil {
			return err
		}
		_, err = pusher.New(*p)
		return err
	}},
	"compat/piesocket.Options": {reflect.TypeFor[piesocket.Options](), func(t *testing.T, o any) error {
		apps, err := app.New(nil)
		if err != nil {
			return err
		}
		o.(*piesocket.Options).Apps = apps
		_, err = piesocket.NewProtocol(o.(*piesocket.Options))
		return err
	}},
	"client.Options":        {reflect.TypeFor[client.Options](), nil},
	"client.PublishOptions": {reflect.TypeFor[client.PublishOptions](), nil},
	"client.SubscribeOptions": {reflect.TypeFor[client.SubscribeOptions](), func(t *testing.T, o any) error {
		c, err := client.Start("http://127.0.0.1:1", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, err = c.Subscribe("chat", o.(*client.SubscribeOptions))
		return err
	}},
	"client.HandleOptions": {reflect.TypeFor[client.HandleOptions](), func(t *testing.T, o any) error {
		c, err := client.Start("http://127.0.0.1:1", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = c.Handle(ctx, "sum", func(context.Context, client.Call) (client.Data, error) { return client.Data{}, nil }, o.(*client.HandleOptions))
		return err
	}},
	"loadgen.Options": {reflect.TypeFor[loadgen.Options](), func(t *testing.T, o any) error {
		_, err := loadgen.Echo(t.Context(), "ws://127.0.0.1:1/", *o.(*loadgen.Options))
		return err
	}},
	"loadgen.StormOptions": {reflect.TypeFor[loadgen.StormOptions](), func(t *testing.T, o any) error {
		_, err := loadgen.Storm(t.Context(), "ws://127.0.0.1:1/", loadgen.Options{Storm: *o.(*loadgen.StormOptions)})
		return err
	}},
	"loadgen.FanoutOptions": {reflect.TypeFor[loadgen.FanoutOptions](), func(t *testing.T, o any) error {
		_, err := loadgen.Fanout(t.Context(), "ws://127.0.0.1:1/", loadgen.Options{Fanout: *o.(*loadgen.FanoutOptions)})
		return err
	}},
	"loadgen.PublishOptions": {reflect.TypeFor[loadgen.PublishOptions](), func(t *testing.T, o any) error {
		_, err := loadgen.SSE(t.Context(), "http://127.0.0.1:1/", loadgen.Options{Publishing: *o.(*loadgen.PublishOptions)})
		return err
	}},
	"loadgen.Goal": {reflect.TypeFor[loadgen.Goal](), func(t *testing.T, o any) error {
		g := o.(*loadgen.Goal)
		g.Find = loadgen.FindRate
		_, err := loadgen.Find(t.Context(), loadgen.KindEcho, "ws://127.0.0.1:1/", loadgen.Options{}, *g)
		return err
	}},
	"inspect.Options": {reflect.TypeFor[inspect.Options](), func(t *testing.T, o any) error {
		_, err := inspect.Run(t.Context(), "ws://127.0.0.1:1/", o.(*inspect.Options))
		return err
	}},
	"inspect.PrintOptions": {reflect.TypeFor[inspect.PrintOptions](), func(_ *testing.T, o any) error {
		return inspect.Print(io.Discard, &inspect.Report{}, *o.(*inspect.PrintOptions))
	}},
	"conformance.Options": {reflect.TypeFor[conformance.Options](), func(t *testing.T, o any) error {
		_, err := conformance.RunServer(t.Context(), "ws://127.0.0.1:1/", *o.(*conformance.Options))
		return err
	}},
}

// otherOptions are structs that are called options and are not held to that yet.
var otherOptions = map[string]string{
	"transport/dialect.StreamOptions":  "package transport makes it of options that were judged",
	"transport/dialect.SessionOptions": "package transport makes it of options that were judged",
	"server/diskbroker.Options":        "a test of its package tries all of it: nothing below the product imports the product",
	"server/tracing.Options":           "a test of its package tries all of it: nothing below the product imports the product",
	"server/hooks.Options":             "a test of its package tries all of it: nothing below the product imports the product",
	"server/identity.Options":          "this package does not import the product; TestNegativeOptions there holds it to the same",
	"server/api.Options":               "a test of its package tries all of it: nothing below the product imports the product",
	"server/natsbroker.Options":        "a test of its package tries all of it: nothing below the product imports the product",
	"server/guard.Options":             "it has functions and no number",
	"server/redisbroker.Options":       "a test of its package tries all of it: nothing below the product imports the product",
	"server.Config":                    "a setting is refused by the name that it has in files, with a server.SettingError",
}

// otherDefaults are constants, or packages of them, that are not spelled like the
// default of an option.
var otherDefaults = map[string]string{
	"ws/deflate.LevelDefault": "one of several levels, and not the default of an option",
}

func TestOptions(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(options)) {
		o := options[name]
		numbers := numbersOf(o.of)
		if (len(numbers) == 0) != (o.use == nil) {
			t.Errorf("%s has the numbers %v", name, numbers)
			continue
		}
		for _, option := range numbers {
			for _, negative := range []int64{-1, -12345} {
				value := reflect.New(o.of)
				field := value.Elem()
				for _, part := range strings.Split(option, ".") {
					field = field.FieldByName(part)
				}
				if field.CanFloat() {
					field.SetFloat(float64(negative))
				} else {
					field.SetInt(negative)
				}
				err := o.use(t, value.Interface())
				if says := regexp.MustCompile(`option (\w+\.)*` + option + `: -\S+ is negative; 0 is the default`); err == nil || !says.MatchString(err.Error()) {
					t.Errorf("%s.%s of %d: got %v, want %s", name, option, negative, err, says)
				}
			}
		}
	}
	tree := load(t)
	listed := slices.Concat(slices.Collect(maps.Keys(options)), slices.Collect(maps.Keys(otherOptions)))
	report(t, policy.UnlistedOptions(tree, listed, "zero is the default and negative is refused everywhere, so that nobody has to look it up"))
	report(t, policy.DefaultNames(tree, otherDefaults, "one spelling can be guessed: Default and the name of the option"))
	report(t, policy.NoneNames(tree, "one spelling can be guessed: No and the name of what there is none of"))
}

// numbersOf returns the names of all numbers and durations in a struct, and, with a
// dot, in structs in it.
func numbersOf(of reflect.Type) (names []string) {
	for i := range of.NumField() {
		field := of.Field(i)
		switch kind := field.Type.Kind(); {
		case !field.IsExported():
		case kind == reflect.Struct && field.Anonymous:
			names = append(names, numbersOf(field.Type)...)
		case kind == reflect.Struct:
			for _, name := range numbersOf(field.Type) {
				names = append(names, field.Name+"."+name)
			}
		case field.Type.PkgPath() != "" && field.Type != reflect.TypeFor[time.Duration](): // one of several values with names
		case kind >= reflect.Int && kind <= reflect.Int64, kind == reflect.Float32, kind == reflect.Float64:
			names = append(names, field.Name)
		}
	}
	return names
}

// newBroker returns a broker that is closed with the test.
func newBroker(t *testing.T) hub.Broker {
	b, err := membroker.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // ErrClosed when a hub did it
	return b
}

// upgrade is a request that may become a WebSocket.
func upgrade() *http.Request {
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	return r
}
