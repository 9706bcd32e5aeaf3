package server

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// warnAgainAfter is how long nothing more is said about the same refusal.
	warnAgainAfter = 10 * time.Minute

	// warningsMax is how many different refusals are told within that time: anyone
	// can make up names.
	warningsMax = 20
)

// refusals tells the log of pages that were refused, sparingly: a person who has set
// something up looks there, and a page can come back every second.
type refusals struct {
	log *slog.Logger

	mu   sync.Mutex // guards what follows
	told map[string]time.Time
}

// warnOrigin tells of a page whose origin is not admitted.
func (r *refusals) warnOrigin(origin, host string) {
	if r.isNews("origin " + origin) {
		r.log.Warn("a page of another origin was refused", "origin", cut(origin), "host", cut(host),
			"hint", "admit it with --origin "+cut(origin)+" (origins in the configuration file)")
	}
}

// warnHost tells of a request for a name that is not answered to.
func (r *refusals) warnHost(scheme, host string) {
	if r.isNews("host " + host) {
		r.log.Warn("a request for an unknown host was refused", "host", cut(host),
			"hint", "admit the name with --origin "+scheme+"://"+cut(host)+" (origins in the configuration file)")
	}
}

// warnSessions tells that sessions are refused because too many begin.
func (r *refusals) warnSessions() {
	if r.isNews("sessions") {
		r.log.Warn("more sessions begin than limits.sessions_per_second; some are told to come back later",
			"hint", "after a restart this passes; if it lasts, raise the limit or add servers")
	}
}

// isNews reports whether a refusal is to be told, and notes it.
func (r *refusals) isNews(what string) bool {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if last, ok := r.told[what]; ok && now.Sub(last) < warnAgainAfter {
		return false
	}
	if len(r.told) >= warningsMax {
		for what, last := range r.told {
			if now.Sub(last) >= warnAgainAfter {
				delete(r.told, what)
			}
		}
		if len(r.told) >= warningsMax {
			return false
		}
	}
	if r.told == nil {
		r.told = make(map[string]time.Time)
	}
	r.told[what] = now
	return true
}

// cut is text of the peer as it is logged.
func cut(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}
