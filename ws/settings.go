//go:build !js

package ws

import (
	"sync/atomic"

	"github.com/godwit-io/godwit/internal/wsproto"
	"github.com/godwit-io/godwit/ws/deflate"
	"github.com/godwit-io/godwit/ws/driver"
)

// settings are Options as a connection needs them. They are shared by all
// connections that were made with equal ones, and never change.
type settings struct {
	resolved
	protocol    wsproto.Config
	key         settingsKey
	observation *observation // nil: nobody observes
}

// settingsKey is what can be compared of Options.
type settingsKey struct {
	common                        driver.Options // without Compression, which is a pointer
	compresses                    bool
	compression                   deflate.Options
	highWaterBytes, lowWaterBytes int
}

// newest are the settings made last for each role. A program mostly has one set
// of options for each, so remembering one is enough to share them.
var newest [2]atomic.Pointer[settings]

// newSettings returns an error that wraps an *OptionError if there is none.
func newSettings(o Options, role wsproto.Role) (*settings, error) {
	// Functions cannot be compared, so options with some are not shared.
	comparable := o.Rate == nil && o.OnHighWater == nil && o.OnLowWater == nil && o.Observer == nil
	key := settingsKey{common: o.common(), compresses: o.Compression != nil, highWaterBytes: o.HighWaterBytes, lowWaterBytes: o.LowWaterBytes}
	if o.Compression != nil {
		key.common.Compression, key.compression = nil, *o.Compression
	}
	if comparable {
		if s := newest[role].Load(); s != nil && s.key == key {
			return s, nil
		}
	}
	r, err := o.resolve()
	if err != nil {
		return nil, err
	}
	s := &settings{resolved: r, protocol: wsproto.NewConfig(role, r.Options), key: key}
	if comparable {
		newest[role].Store(s)
	}
	return s, nil
}
