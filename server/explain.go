package server

import (
	"fmt"
	"log/slog"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/server/identity"
)

// Identities makes what a server of this configuration knows clients by, for
// explanations. It has to be closed. c has its defaults filled in, as from Load. The
// error is a *SettingError.
func (c *Config) Identities(log *slog.Logger) (*identity.Identities, error) {
	return (&Server{log: log}).identitiesOf(c, nil)
}

// RulesOf are what everybody may do in a channel, without a grant, or nil.
func (c *Config) RulesOf(channel string) *access.Rules {
	p, i := c.PolicyOf(channel)
	if i < 0 {
		return nil
	}
	return &access.Rules{Source: fmt.Sprintf("channels[%d], match %q", i, p.Match), Allowed: p.Allow}
}
