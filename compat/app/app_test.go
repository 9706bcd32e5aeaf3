package app_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/godwit-io/godwit/compat/app"
)

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func shop() app.App {
	return app.App{ID: "1", Key: "shop-key", Secret: []byte("0123456789"), Prefix: "shop/"}
}

func news() app.App {
	return app.App{ID: "2", Key: "news-key", Secret: []byte("abcdefghij"), Prefix: "news/"}
}

func newApps(t *testing.T, apps ...app.App) *app.Apps {
	t.Helper()
	s, err := app.New(apps)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestLookUp(t *testing.T) {
	apps := newApps(t, shop(), news())
	if a := apps.ByKey("shop-key"); a == nil || a.ID != "1" || apps.ByID("1") != a {
		t.Errorf("by key %v, by ID %v", a, apps.ByID("1"))
	}
	if apps.ByKey("1") != nil || apps.ByID("shop-key") != nil || apps.ByKey("") != nil {
		t.Error("an app is found by what is not its key or ID")
	}
	if all := apps.All(); len(all) != 2 || all[0].ID != "1" || all[1].ID != "2" {
		t.Errorf("all are %v", all)
	}
	if none := newApps(t); none.ByKey("shop-key") != nil || len(none.All()) != 0 {
		t.Error("an app where there are none")
	}
}

func TestPrefix(t *testing.T) {
	a, alone := shop(), app.App{}
	if c, u := a.Channel("private-x"), a.User("ann"); c != "shop/private-x" || u != "shop/ann" || a.User("") != "" {
		t.Errorf("channel %q, user %q, nobody %q", c, u, a.User(""))
	}
	for channel, want := range map[string]string{"shop/x": "x", "shop/a/b": "a/b", "shop/": "", "shop": "", "news/x": "", "x": ""} {
		if name, ok := a.Name(channel); ok != (want != "") || ok && name != want {
			t.Errorf("%q is %q, %v, want %q", channel, name, ok, want)
		}
	}
	if a.UserName("shop/ann") != "ann" || a.UserName("ann") != "" || alone.UserName("ann") != "ann" {
		t.Error("users of others have a name here, or the app's own have not")
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a *app.App)
		field  string
		text   string
	}{
		"no ID":                {func(a *app.App) { a.ID = "" }, "ID", "needed"},
		"ID in URLs":           {func(a *app.App) { a.ID = "a/b" }, "ID", `"a/b" stands in URLs`},
		"ID that is rewritten": {func(a *app.App) { a.ID = ".." }, "ID", "URLs"},
		"long ID":              {func(a *app.App) { a.ID = strings.Repeat("a", app.NameBytesMax+1) }, "ID", "65 bytes"},
		"no key":               {func(a *app.App) { a.Key = "" }, "Key", "needed"},
		"key in URLs":          {func(a *app.App) { a.Key = "ü" }, "Key", "URLs"},
		"no secret":            {func(a *app.App) { a.Secret = nil }, "Secret", "needed"},
		"short secret":         {func(a *app.App) { a.Secret = []byte("q-secret?") }, "Secret", "9 bytes"},
		"prefix of no segment": {func(a *app.App) { a.Prefix = "shop-" }, "Prefix", `write "shop-/"`},
		"prefix /":             {func(a *app.App) { a.Prefix = "/" }, "Prefix", "empty"},
		"prefix //":            {func(a *app.App) { a.Prefix = "a//" }, "Prefix", "empty segment"},
		"prefix of users":      {func(a *app.App) { a.Prefix = "@ann/" }, "Prefix", "users"},
		"prefix of patterns":   {func(a *app.App) { a.Prefix = "*/" }, "Prefix", "patterns"},
		"long prefix":          {func(a *app.App) { a.Prefix = strings.Repeat("p", app.PrefixBytesMax) + "/" }, "Prefix", "56 bytes"},
		"connections":          {func(a *app.App) { a.ConnectionsMax = -1 }, "ConnectionsMax", "negative"},
		"publications":         {func(a *app.App) { a.PublicationsPerSecond = -1 }, "PublicationsPerSecond", "negative"},
		"client events":        {func(a *app.App) { a.ClientEventsPerSecond = -1 }, "ClientEventsPerSecond", "negative"},
		"bytes":                {func(a *app.App) { a.PublicationBytesMax = -1 }, "PublicationBytesMax", "negative"},
		"members":              {func(a *app.App) { a.MembersMax = -1 }, "MembersMax", "negative"},
		"webhooks":             {func(a *app.App) { a.Webhooks = make([]app.Webhook, app.WebhooksMax+1) }, "Webhooks", "17"},
		"webhook URL":          {func(a *app.App) { a.Webhooks = []app.Webhook{{}} }, "Webhooks", "no URL"},
		"webhook event":        {func(a *app.App) { a.Webhooks = []app.Webhook{{URL: "http://h", Events: []string{"x"}}} }, "Webhooks", `"x" is not one of channel_occupied`},
	} {
		a := shop()
		c.change(&a)
		_, err := app.New([]app.App{news(), a})
		var wrong *app.FieldError
		if !errors.As(err, &wrong) || wrong.Index != 1 || wrong.Field != c.field || !strings.Contains(wrong.Problem, c.text) {
			t.Errorf("%s: %v, want something about %s that has %q", name, err, c.field, c.text)
		} else if a.Secret != nil && strings.Contains(err.Error(), "q-secret") {
			t.Errorf("%s: the error has the secret: %v", name, err)
		}
	}
}

// Every fault of each app is told, and a field that is missing twice is not said to be
// another app's.
func TestFaults(t *testing.T) {
	broken := app.App{Secret: []byte("short"), Prefix: "shop", MembersMax: -1, Webhooks: []app.Webhook{{Events: []string{"x"}}}}
	same := news()
	same.Key, same.Prefix = shop().Key, shop().Prefix+"eu/"
	var got []string
	for _, fault := range app.Faults([]app.App{shop(), broken, broken, same}) {
		got = append(got, fmt.Sprint(fault.Index, fault.Field))
	}
	one := func(i int) []string {
		var all []string
		for _, field := range []string{"ID", "Key", "Secret", "Prefix", "MembersMax", "Webhooks", "Webhooks"} {
			all = append(all, fmt.Sprint(i, field))
		}
		return all
	}
	want := slices.Concat(one(1), one(2), []string{"3Key", "2Prefix"})
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// A value at a bound is accepted.
func TestBounds(t *testing.T) {
	a := shop()
	a.ID, a.Key = strings.Repeat("i", app.NameBytesMax), strings.Repeat("k", app.NameBytesMax)
	a.Prefix = strings.Repeat("p", app.PrefixBytesMax-1) + "/"
	a.Secret = make([]byte, app.SecretBytesMin)
	for range app.WebhooksMax {
		a.Webhooks = append(a.Webhooks, app.Webhook{URL: "https://h", Events: app.WebhookEvents()})
	}
	newApps(t, a)
}

// Apps that have channels in common are refused, whatever else there is between them.
func TestPrefixesInCommon(t *testing.T) {
	for name, c := range map[string]struct {
		prefixes []string
		wrong    int // the index of the app, -1 for none
	}{
		"apart":                    {[]string{"a/", "b/", "c/"}, -1},
		"a beginning of a segment": {[]string{"shop/", "shop2/", "sho/"}, -1},
		"alone":                    {[]string{""}, -1},
		"the same":                 {[]string{"a/", "b/", "a/"}, 2},
		"none twice":               {[]string{"", ""}, 1},
		"none and one":             {[]string{"", "a/"}, 0},
		"one and none":             {[]string{"a/", ""}, 1},
		"below":                    {[]string{"a/", "b/", "a/x/"}, 2},
		"above":                    {[]string{"a/x/", "b/", "a/"}, 2},
		"with others between":      {[]string{"a/", "a-/", "a0/", "a/z/"}, 3},
	} {
		var apps []app.App
		for i, prefix := range c.prefixes {
			id := fmt.Sprint("app", i)
			apps = append(apps, app.App{ID: id, Key: id, Secret: []byte("0123456789"), Prefix: prefix})
		}
		_, err := app.New(apps)
		var wrong *app.FieldError
		if c.wrong < 0 && err != nil || c.wrong >= 0 && (!errors.As(err, &wrong) || wrong.Index != c.wrong || wrong.Field != "Prefix") {
			t.Errorf("%s: %v, want it about apps[%d]", name, err, c.wrong)
		}
	}
	for field, change := range map[string]func(a *app.App){"ID": func(a *app.App) { a.ID = "1" }, "Key": func(a *app.App) { a.Key = "shop-key" }} {
		a := news()
		change(&a)
		_, err := app.New([]app.App{shop(), a})
		var wrong *app.FieldError
		if !errors.As(err, &wrong) || wrong.Field != field || wrong.Index != 1 {
			t.Errorf("the same %s: %v", field, err)
		}
	}
}

func TestConnections(t *testing.T) {
	a := shop()
	a.ConnectionsMax = 2
	apps := newApps(t, a)
	now := apps.ByID("1")
	if !now.Enter() || !now.Enter() || now.Enter() {
		t.Fatal("other than two connections enter")
	}
	now.Leave()
	if !now.Enter() {
		t.Error("nobody enters after one has left")
	}
	if s := now.Stats(); s.Connections != 2 || s.Refused != 1 {
		t.Errorf("%+v", s)
	}
	now.Leave()
	now.Leave()
	defer func() {
		if recover() == nil {
			t.Error("more have left than entered, and nobody has said so")
		}
	}()
	now.Leave()
}

func TestPublications(t *testing.T) {
	a := shop()
	a.PublicationsPerSecond = 3
	now := newApps(t, a).ByID("1")
	for i := range 3 {
		if ok, wait := now.AllowPublication(start); !ok || wait != 0 {
			t.Fatalf("%d: %v, %v", i, ok, wait)
		}
	}
	if ok, wait := now.AllowPublication(start); ok || wait <= 0 || wait > time.Second/3+1 {
		t.Errorf("the fourth: %v, %v", ok, wait)
	}
	if ok, _ := now.AllowPublication(start.Add(334 * time.Millisecond)); !ok {
		t.Error("a third of a second later: no")
	}
	now.Delivered(5)
	if s := now.Stats(); s.Published != 4 || s.Limited != 1 || s.Delivered != 5 {
		t.Errorf("%+v", s)
	}
}

// Without a limit of its own an app is bounded by the server alone.
func TestNoLimit(t *testing.T) {
	a := shop()
	a.ConnectionsMax, a.PublicationsPerSecond, a.PublicationBytesMax = app.NoLimit, app.NoLimit, app.NoLimit
	now := newApps(t, a).ByID("1")
	for range app.DefaultPublicationsPerSecond + 1 {
		if ok, _ := now.AllowPublication(start); !ok || !now.Enter() {
			t.Fatalf("refused: %+v", now.Stats())
		}
	}
	if n := now.PublicationBytes(5); n != app.NoLimit {
		t.Errorf("%d bytes", n)
	}
	other := newApps(t, shop()).ByID("1")
	if other.PublicationBytes(5) != 5 || other.ConnectionsMax != app.DefaultConnectionsMax || other.ClientEventsPerSecond != 10 || other.MembersMax != 100 {
		t.Errorf("defaults: %+v", other)
	}
}

// A reload keeps what was counted, and a larger limit holds at once.
func TestReplace(t *testing.T) {
	a := shop()
	a.ConnectionsMax = 1
	apps := newApps(t, a, news())
	before := apps.ByID("1")
	before.Enter()

	a.ConnectionsMax, a.ClientEvents = 2, true
	if err := apps.Replace([]app.App{a}); err != nil {
		t.Fatal(err)
	}
	after := apps.Current(before)
	if after == nil || after == before || !after.ClientEvents || before.ClientEvents || apps.ByID("2") != nil {
		t.Fatalf("before %+v, after %+v", before, after)
	}
	if after.Stats().Connections != 1 || !after.Enter() || after.Enter() {
		t.Error("what was counted before is forgotten, or the limit is the old one")
	}
	if err := apps.Replace([]app.App{a, a}); err == nil || apps.Current(after) != after {
		t.Error("a reload that is refused changes something")
	}

	// An app that comes back has the connections that were never gone.
	if err := apps.Replace(nil); err != nil || apps.Current(after) != nil || apps.ByKey("shop-key") != nil {
		t.Fatalf("%v; it is still there", err)
	}
	after.Leave()
	if err := apps.Replace([]app.App{shop()}); err != nil {
		t.Fatal(err)
	}
	if again := apps.ByID("1"); again.Stats().Connections != 1 {
		t.Errorf("%+v", again.Stats())
	}
	before.Leave()
	if n := apps.ByID("1").Stats().Connections; n != 0 {
		t.Errorf("%d connections", n)
	}
}

// A connection that a key let in does not outlive the key.
func TestCurrent(t *testing.T) {
	for name, c := range map[string]struct {
		change func(a *app.App)
		stays  bool
	}{
		"nothing":  {func(*app.App) {}, true},
		"limits":   {func(a *app.App) { a.ConnectionsMax = 5 }, true},
		"key":      {func(a *app.App) { a.Key = "other" }, false},
		"secret":   {func(a *app.App) { a.Secret = []byte("another secret") }, false},
		"prefix":   {func(a *app.App) { a.Prefix = "s/" }, false},
		"disabled": {func(a *app.App) { a.Disabled = true }, false},
		"ID":       {func(a *app.App) { a.ID = "3" }, false},
	} {
		a := shop()
		apps := newApps(t, a)
		before := apps.ByID("1")
		if apps.Current(before) != before {
			t.Errorf("%s: it is not there from the start", name)
		}
		c.change(&a)
		if err := apps.Replace([]app.App{a}); err != nil {
			t.Fatal(err)
		}
		if now := apps.Current(before); (now != nil) != c.stays {
			t.Errorf("%s: %v", name, now)
		}
	}
}

// The caller may go on with what it has given.
func TestCopied(t *testing.T) {
	given := []app.App{shop()}
	apps := newApps(t, given...)
	given[0].Secret[0], given[0].Key = 'x', "changed"
	if a := apps.ByKey("shop-key"); a == nil || !a.Secret.Equal([]byte("0123456789")) {
		t.Error("it has changed behind its back")
	}
}

func TestSecret(t *testing.T) {
	a := shop()
	if !a.Secret.Equal([]byte("0123456789")) || a.Secret.Equal([]byte("012345678")) || a.Secret.Equal(nil) || app.Secret(nil).Equal(nil) {
		t.Error("the wrong secrets are equal")
	}
	b, err := json.Marshal(a.Secret)
	shown := fmt.Sprintf("%v %+v %#v %s %x %q %d", a, a, a, a.Secret, a.Secret, a.Secret, a.Secret)
	if err != nil || strings.Contains(shown+string(b), "0123") || strings.Contains(shown, "30313233") || strings.Contains(shown, "48 49") {
		t.Errorf("it is shown: %s %s", shown, b)
	}
	if app.Secret(nil).String() != "" || a.Secret.LogValue().String() != "(secret)" {
		t.Error("none looks like one, or one like none")
	}
}

// However many come at once, no more enter than may.
func TestEnteredByMany(t *testing.T) {
	a := shop()
	a.ConnectionsMax = 5
	apps := newApps(t, a)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				now := apps.ByKey("shop-key")
				if now.Enter() {
					if n := now.Stats().Connections; n > 5 {
						t.Errorf("%d connections", n)
					}
					now.Leave()
				}
			}
		})
	}
	all.Go(func() {
		for range 100 {
			if err := apps.Replace([]app.App{a}); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	if n := apps.ByID("1").Stats().Connections; n != 0 {
		t.Errorf("%d connections are left", n)
	}
}
