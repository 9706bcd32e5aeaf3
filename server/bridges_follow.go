package server

import (
	"fmt"
	"slices"

	"github.com/godwit-io/godwit/server/bridge"
)

// Follow has the server follow b besides the bridges of its Config, until it ends: for programs that know
// only while they run what there is to follow. One that it was given before under the same name is replaced, and one of the
// Config has precedence, after a reload. The error is a *SettingError with a key of bridges. It may be called at any time; nothing is
// dialled before the server serves.
func (s *Server) Follow(b Bridge) error {
	b = b.withDefaults()
	var wrong error
	report := func(key, text string) {
		if wrong == nil {
			wrong = &SettingError{Key: key, Text: text}
		}
	}
	checkAll(bridgeSettings, &b, "bridges[0]", report)
	checkBridges([]Bridge{b}, report)
	if wrong != nil {
		return wrong
	}
	spec, err := b.resolve("bridges[0]")
	if err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	isNamesake := func(o *bridge.Spec) bool { return o.Name() == b.Name }
	if slices.ContainsFunc(s.configured, isNamesake) {
		return &SettingError{Key: "bridges[0].name", Text: fmt.Sprintf("%q is the name of one in the configuration; each needs its own", b.Name)}
	}
	s.followed = append(slices.DeleteFunc(s.followed, isNamesake), spec)
	s.bridges.Replace(s.allBridges())
	return nil
}

// allBridges are those of the configuration, and then those that Follow has added; reloading is held.
func (s *Server) allBridges() []*bridge.Spec {
	all := slices.Clone(s.configured)
	for _, f := range s.followed {
		if !slices.ContainsFunc(s.configured, func(o *bridge.Spec) bool { return o.Name() == f.Name() }) {
			all = append(all, f)
		}
	}
	return all
}
