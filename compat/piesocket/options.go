package piesocket

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/netip"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/option"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/ws/driver"
)

// Transport is the name under which sessions appear in presence, statistics and metrics.
const Transport = "piesocket"

// Options configures a Protocol and an API. The zero value of every other field means its
// default, and a negative number is refused.
type Options struct {
	// Apps are the apps whose keys clients show. They are needed.
	Apps *app.Apps

	// Hub has the channels, for the API.
	Hub *hub.Hub

	// ChannelsMax bounds the channels of one connection of version 4. Default 100.
	ChannelsMax int

	// BodyBytesMax is the longest body of a request of the API. Default 256 KiB.
	BodyBytesMax int

	// ListMax bounds how many channels the API lists. Default 10,000.
	ListMax int

	// Address returns the address of the client behind a request, invalid for a client
	// on this machine. Default: the address of the connection.
	Address func(*transport.Request) netip.Addr

	// Admits reports whether a request of the API may have been made by the page, if any,
	// that is behind it. Default: no page's may.
	Admits func(*http.Request) bool

	// Origins are the origins of pages that the API reports as allowed.
	Origins []string
}

// Defaults of Options.
const (
	DefaultChannelsMax  = 100
	DefaultBodyBytesMax = 256 << 10
	DefaultListMax      = 10_000
)

// NoLimit, as a number among Options, means that there is no limit.
const NoLimit = option.NoLimit

// OptionError says that an option cannot be as it is: which, and what would be right.
type OptionError = driver.OptionError

// withDefaults returns a copy of o with its defaults filled in.
func (o *Options) withDefaults() (Options, error) {
	if o == nil || o.Apps == nil {
		return Options{}, errors.New("piesocket: option Apps: it is needed: whose keys do clients show?")
	}
	out := *o
	err := cmp.Or(
		driver.Resolve("ChannelsMax", &out.ChannelsMax, DefaultChannelsMax),
		driver.Resolve("BodyBytesMax", &out.BodyBytesMax, DefaultBodyBytesMax),
		driver.Resolve("ListMax", &out.ListMax, DefaultListMax),
	)
	if err != nil {
		return Options{}, fmt.Errorf("piesocket: %w", err)
	}
	if out.Address == nil {
		out.Address = func(r *transport.Request) netip.Addr { return r.RemoteAddr().Addr() }
	}
	if out.Admits == nil {
		out.Admits = func(r *http.Request) bool { return r.Header.Get("Origin") == "" }
	}
	return out, nil
}
