package app

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/option"
)

// FieldError describes a fault of one of several apps. It holds no secret.
type FieldError struct {
	Index   int    // of the app
	Field   string // of App, such as "Prefix"
	Problem string // the fault, and what would be right
}

// Error names the app by its index.
func (e *FieldError) Error() string {
	return fmt.Sprintf("app: apps[%d]: %s: %s", e.Index, e.Field, e.Problem)
}

// Check fills in the defaults of apps. The error, a *FieldError, is the first of Faults.
func Check(apps []App) error {
	if faults := Faults(apps); len(faults) > 0 {
		return faults[0]
	}
	return nil
}

// Faults fills in the defaults of apps and returns everything that is wrong with one of
// them, or with two of them together. It is empty for apps that can be used.
func Faults(apps []App) []*FieldError {
	var faults []*FieldError
	ids, keys := make(map[string]int), make(map[string]int)
	for i := range apps {
		a := &apps[i]
		report := func(field, problem string) { faults = append(faults, &FieldError{i, field, problem}) }
		a.check(report)
		taken := func(field, name string, by map[string]int) {
			if j, isTaken := by[name]; isTaken {
				report(field, fmt.Sprintf("%q is that of apps[%d], too; each app needs its own", name, j))
			} else if name != "" {
				by[name] = i
			}
		}
		taken("ID", a.ID, ids)
		taken("Key", a.Key, keys)
	}
	if shared := checkPrefixes(apps); shared != nil {
		faults = append(faults, shared)
	}
	return faults
}

// checkPrefixes refuses apps that would share channels. In the order of prefixes
// whatever one begins comes right after it.
func checkPrefixes(apps []App) *FieldError {
	order := make([]int, len(apps))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(strings.Compare(apps[i].Prefix, apps[j].Prefix), cmp.Compare(i, j))
	})
	for n := 1; n < len(order); n++ {
		first, second := order[n-1], order[n]
		if !strings.HasPrefix(apps[second].Prefix, apps[first].Prefix) {
			continue
		}
		// The later of the two is to be changed, or the one without a prefix.
		at, other := max(first, second), min(first, second)
		if apps[at].Prefix != "" && apps[other].Prefix == "" {
			at, other = other, at
		}
		return &FieldError{at, "Prefix", fmt.Sprintf("%q and %q of apps[%d] have channels in common, and apps must not see each other's; write for example %q",
			apps[at].Prefix, apps[other].Prefix, other, apps[at].ID+"/")}
	}
	return nil
}

func (a *App) check(report func(field, problem string)) {
	if !isName(a.ID) {
		report("ID", nameProblem(a.ID))
	}
	if !isName(a.Key) {
		report("Key", nameProblem(a.Key))
	}
	if len(a.Secret) == 0 {
		report("Secret", "it is needed: with what are signatures checked?")
	} else if len(a.Secret) < SecretBytesMin {
		report("Secret", fmt.Sprintf("it has %d bytes and could be guessed; at least %d are needed", len(a.Secret), SecretBytesMin))
	}
	if problem := prefixProblem(a.Prefix); problem != "" {
		report("Prefix", problem)
	}
	for _, n := range []struct {
		name     string
		value    *int
		fallback int
	}{
		{"ConnectionsMax", &a.ConnectionsMax, DefaultConnectionsMax},
		{"PublicationsPerSecond", &a.PublicationsPerSecond, DefaultPublicationsPerSecond},
		{"ClientEventsPerSecond", &a.ClientEventsPerSecond, DefaultClientEventsPerSecond},
		{"PublicationBytesMax", &a.PublicationBytesMax, 0},
		{"MembersMax", &a.MembersMax, DefaultMembersMax},
	} {
		if wrong := option.Resolve(n.value, n.fallback); wrong != "" {
			report(n.name, wrong)
		}
	}
	if len(a.Webhooks) > WebhooksMax {
		report("Webhooks", fmt.Sprintf("there are %d; at most %d are possible", len(a.Webhooks), WebhooksMax))
		return
	}
	for _, hook := range a.Webhooks {
		if hook.URL == "" {
			report("Webhooks", "one has no URL; write for example https://app.example.com/webhook")
		}
		for _, event := range hook.Events {
			if !slices.Contains(WebhookEvents(), event) {
				report("Webhooks", strconv.Quote(event)+" is not one of "+strings.Join(WebhookEvents(), ", "))
			}
		}
	}
}

func isName(s string) bool {
	if s == "" || len(s) > NameBytesMax || s == "." || s == ".." {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '_' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func nameProblem(s string) string {
	switch {
	case s == "":
		return "it is needed; write for example shop"
	case len(s) > NameBytesMax:
		return fmt.Sprintf("it is %d bytes long; at most %d are possible", len(s), NameBytesMax)
	}
	return strconv.Quote(s) + ` stands in URLs: use letters, digits, "-", "_" and "."`
}

func prefixProblem(prefix string) string {
	if prefix == "" {
		return ""
	}
	segments, ok := strings.CutSuffix(prefix, "/")
	switch {
	case !ok:
		// A channel is closed by how a segment of it begins, so what clients call
		// private-room has to begin one.
		return strconv.Quote(prefix) + " is not whole segments; write " + strconv.Quote(prefix+"/")
	case len(prefix) > PrefixBytesMax:
		return fmt.Sprintf("it is %d bytes long; at most %d are possible", len(prefix), PrefixBytesMax)
	case prefix[0] == '@':
		return strconv.Quote(prefix) + ` begins with "@", which is for the channels of users; leave it out`
	}
	if err := hub.CheckChannel(segments); err != nil {
		return strconv.Quote(prefix) + " cannot begin the name of a channel: " + strings.TrimPrefix(err.Error(), "hub: ")
	}
	return ""
}
