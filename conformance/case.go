package conformance

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

// Role is the side of a connection that is judged.
type Role uint8

const (
	Server Role = 1 << iota
	Client

	both = Server | Client
)

func (r Role) String() string {
	switch r {
	case Server:
		return "server"
	case Client:
		return "client"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// MarshalText writes the role as its name.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the name of a role.
func (r *Role) UnmarshalText(b []byte) error {
	switch string(b) {
	case "server":
		*r = Server
	case "client":
		*r = Client
	default:
		return fmt.Errorf("conformance: there is no role %.20q", b)
	}
	return nil
}

// Case is one thing to check. Cases are immutable and shared.
type Case struct {
	// ID is group/name. It never changes and is never used again for another case.
	ID string
	// Checks says in one sentence what the peer must do.
	Checks string
	// Section cites where that is written, such as "RFC 6455 §5.2".
	Section string

	roles Role
	play  func(*session)
	slow  bool // needs more than the usual time
}

// Group returns the first part of the ID.
func (c *Case) Group() string {
	group, _, _ := strings.Cut(c.ID, "/")
	return group
}

// Group is a part of the suite.
type Group struct {
	Name  string
	Title string // a few words for a heading
}

// groups in the order in which they run and are reported: what later ones rely
// on comes first.
var groups = []struct {
	Group
	cases func() []Case
}{
	{Group{"framing", "Framing and masking"}, framingCases},
	{Group{"lengths", "Payload lengths"}, lengthCases},
	{Group{"pings", "Pings and pongs"}, pingCases},
	{Group{"reserved", "Reserved bits"}, reservedCases},
	{Group{"opcodes", "Opcodes"}, opcodeCases},
	{Group{"fragmentation", "Fragmentation"}, fragmentationCases},
	{Group{"utf8", "UTF-8"}, utf8Cases},
	{Group{"close", "Closing handshake"}, closeCases},
	{Group{"limits", "Limits"}, limitCases},
	{Group{"opening", "Opening handshake"}, openingCases},
	{Group{"subprotocol", "Subprotocols"}, subprotocolCases},
	{Group{"origin", "Origin"}, originCases},
	{Group{"deflate", "permessage-deflate"}, deflateCases},
	{Group{"robustness", "Robustness"}, robustnessCases},
}

// Groups returns the parts of the suite in order.
func Groups() []Group {
	list := make([]Group, len(groups))
	for i := range groups {
		list[i] = groups[i].Group
	}
	return list
}

var allCases = sync.OnceValue(func() []Case {
	var all []Case
	for _, g := range groups {
		for _, c := range g.cases() {
			c.ID = g.Name + "/" + c.ID
			all = append(all, c)
		}
	}
	return all
})

// Cases returns the cases for a role, in order. The slice is the caller's.
func Cases(role Role) []Case {
	var list []Case
	for _, c := range allCases() {
		if c.roles&role != 0 {
			list = append(list, c)
		}
	}
	return list
}

// Select returns the cases for a role that match a pattern of only, if it is not
// empty, and none of skip. A pattern is an ID or the name of a group, in which *
// stands for anything but a slash, ? for a character and [a-z] for one of several.
// A pattern that matches no case is an error, since it is a mistake.
func Select(role Role, only, skip []string) ([]Case, error) {
	all := Cases(role)
	for _, pattern := range slices.Concat(only, skip) {
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fmt.Errorf("conformance: %q is not a pattern: an ID or a group, with * and ? and [a-z]", pattern)
		}
		if !slices.ContainsFunc(all, func(c Case) bool { return c.matches(pattern) }) {
			return nil, fmt.Errorf("conformance: no %s case matches %q", role, pattern)
		}
	}
	var list []Case
	for _, c := range all {
		if (len(only) == 0 || slices.ContainsFunc(only, c.matches)) && !slices.ContainsFunc(skip, c.matches) {
			list = append(list, c)
		}
	}
	return list, nil
}

func (c *Case) matches(pattern string) bool {
	subject := c.ID
	if !strings.Contains(pattern, "/") {
		subject = c.Group()
	}
	ok, _ := path.Match(pattern, subject)
	return ok
}
