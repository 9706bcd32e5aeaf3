package server

import (
	"reflect"
	"slices"
	"strings"
)

// changeable are the settings, or the sections of them, that a server can apply
// while it runs.
var changeable = []string{
	"tokens", "keys", "anonymous", "channels", "hooks", "apps", "bridges", "reconnect", "log.level", "limits.sessions_per_second",
	"limits.connections_per_user", "limits.handshakes_per_second", "limits.requests_per_second",
	"limits.publications_per_second_session", "limits.publications_per_second_user", "limits.publications_per_second_address",
}

// protecting are the settings that make a configuration protected.
var protecting = []string{"tokens", "keys", "anonymous", "apps", "hooks.connect.url"}

// Changes lists the keys in which two configurations differ: those that can be
// applied while the server runs, and those that need it to start anew. Both have
// their defaults filled in, as from Load. A list counts as one setting.
//
// What a reference leads to is not compared: the content of a file, or the variable
// of a secret, can be another although nothing is listed here.
//
// What takes all protection away at an address that other machines can reach needs a
// new start, which would refuse that.
func Changes(before, after Config) (can, cannot []string) {
	isOpened := opens(&before, &after)
	for _, s := range settings {
		a, b := reflect.ValueOf(s.field(&before)).Elem(), reflect.ValueOf(s.field(&after)).Elem()
		if reflect.DeepEqual(a.Interface(), b.Interface()) || isEmptyList(a) && isEmptyList(b) {
			continue
		}
		if !isChangeable(s.key) || isOpened && slices.Contains(protecting, s.key) {
			cannot = append(cannot, s.key)
		} else {
			can = append(can, s.key)
		}
	}
	return can, cannot
}

// opens reports whether after leaves open to other machines what before protects. The
// addresses of before count, whatever after says, because they stay; and so do those
// of after, at which a start would be refused.
func opens(before, after *Config) bool {
	return before.IsProtected() && !after.IsProtected() && !after.Insecure && (before.mayBeReached() || after.mayBeReached())
}

// mayBeReached reports whether other machines may reach an address of c. Sockets that
// are inherited can be any.
func (c *Config) mayBeReached() bool {
	isInherited := func(listen string) bool { return strings.HasPrefix(listen, systemdPrefix) }
	return c.reachable() != "" || slices.ContainsFunc(c.Listen, isInherited)
}

func isEmptyList(v reflect.Value) bool { return v.Kind() == reflect.Slice && v.Len() == 0 }

func isChangeable(key string) bool {
	return slices.ContainsFunc(changeable, func(c string) bool { return key == c || strings.HasPrefix(key, c+".") })
}
