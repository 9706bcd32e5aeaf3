package loadgen

import "fmt"

// Limit is what kept the figures from being better.
type Limit string

const (
	LimitServer    Limit = "server"    // its processors
	LimitGenerator Limit = "generator" // the processors of the generator
	LimitMachine   Limit = "machine"   // the processors that both share
	LimitOthers    Limit = "others"    // other programs on this machine
	LimitPublisher Limit = "publisher" // it waited for the answers to its own requests
	LimitLoad      Limit = "load"      // there was none: the server did all it was asked to
	LimitRefused   Limit = "refused"   // the server did not take all connections
	LimitLost      Limit = "lost"      // connections ended in the middle
	LimitUnknown   Limit = "unknown"
)

const (
	// busy is the share of the processors from which on they are the limit, and
	// calm the share up to which they are not. In between it cannot be said.
	busy = 0.9
	calm = 0.7

	// crowded is the share of the machine from which on what other programs use
	// spoils the figures.
	crowded = 0.2

	// keptUp is how much of a constant rate must have been answered in time.
	keptUp = 0.98

	// lateMin is how late the generator must be with its schedule before that is a
	// reason not to believe a latency.
	lateMin = Millis(1)
)

func limit(r *Report) Limit {
	l := bottleneck(r)
	if l != LimitRefused && l != LimitLost && (r.Kind == KindConnections || r.Load.Rate > 0 && hasKeptRate(r)) {
		return LimitLoad
	}
	return l
}

// bottleneck is what there was least of.
func bottleneck(r *Report) Limit {
	s, c, own := r.Server, r.Connections, r.Own
	switch {
	case r.Kind != KindHandshakes && c.Opened < c.Wanted && !r.Interrupted:
		return LimitRefused
	case r.Kind != KindHandshakes && r.Kind != KindStorm && c.AtEnd < c.Opened && !r.Interrupted:
		return LimitLost
	case s != nil && s.CoresMax > 0 && s.Cores >= busy*float64(s.CoresMax):
		return LimitServer
	case own.Share >= busy:
		return LimitGenerator
	case own.Others >= crowded && own.Machine >= busy:
		return LimitOthers
	case s != nil && s.BusiestThread >= busy:
		return LimitServer
	case own.Machine >= busy:
		return LimitMachine
	case r.Publishing != nil && r.Publishing.Busy >= busy:
		return LimitPublisher
	}
	return LimitUnknown
}

// isCalm reports whether nobody's processors can have been the limit, as far as
// they are known.
func isCalm(r *Report) bool {
	s, own := r.Server, r.Own
	return s != nil && s.CoresMax > 0 && s.Cores < calm*float64(s.CoresMax) && s.BusiestThread < calm &&
		own.Share >= 0 && own.Share < calm && own.Others < crowded && (own.Machine >= 0 && own.Machine < calm || !s.Local)
}

// because ends a sentence with what the limit was.
func because(r *Report, l Limit) string {
	s, own := r.Server, r.Own
	switch l {
	case LimitServer:
		if s.CoresMax > 0 && s.Cores >= busy*float64(s.CoresMax) {
			return fmt.Sprintf("; the limit is its CPU (%s)", cores(s.Cores)) + "."
		}
		return fmt.Sprintf("; the limit is one of its threads, which used %.0f %% of a processor", 100*min(s.BusiestThread, 1)) + "."
	case LimitGenerator:
		return fmt.Sprintf(". The generator was the limit (%.0f %% of its CPU), so the server can do more than this.", 100*own.Share)
	case LimitMachine:
		if s != nil && s.Local {
			return fmt.Sprintf("; server and generator share the processors and used them up (%s and %s).", cores(s.Cores), cores(own.Share*float64(own.Processors)))
		}
		return fmt.Sprintf("; the processors of this machine were used up, to %s by the generator.", cores(own.Share*float64(own.Processors)))
	case LimitOthers:
		return fmt.Sprintf(". Other programs used %.0f %% of this machine meanwhile, so neither the server nor the generator had what it needs.", 100*own.Others)
	case LimitPublisher:
		return fmt.Sprintf(". The publisher waited for answers to its own requests %.0f %% of the time, so more publishers would ask for more.", 100*r.Publishing.Busy)
	case LimitRefused:
		return fmt.Sprintf(". It took %s of the %s that were wanted.", Count(float64(r.Connections.Opened)), plural(r.Connections.Wanted, r.Kind.unit()))
	case LimitLost:
		return fmt.Sprintf(". %s of %s were lost meanwhile.", Count(float64(r.Connections.Opened-r.Connections.AtEnd)), plural(r.Connections.Opened, r.Kind.unit()))
	case LimitUnknown:
		return unknown(r)
	}
	return "."
}

// unknown says as much as is known when nothing stands out.
func unknown(r *Report) string {
	s, own := r.Server, r.Own
	if s == nil {
		return ". What the limit is is not known without the server's CPU: give its process ID or its metrics."
	}
	used := fmt.Sprintf("the server used %s and the generator %.0f %% of its own", cores(s.Cores), 100*max(own.Share, 0))
	if own.Others >= crowded {
		used = fmt.Sprintf("the server used %s, the generator %.0f %% of its own, and other programs %.0f %% of this machine", cores(s.Cores), 100*max(own.Share, 0), 100*own.Others)
	}
	switch {
	case s.CoresMax == 0:
		return ". What the limit is is not known, as it is not known how many processors the server may use: " + used + "."
	case !isCalm(r):
		return ". What the limit is cannot be said: " + used + ", which is neither little nor all."
	case r.Load.Rate > 0 || r.Kind == KindHandshakes:
		return ". The limit is not CPU: " + used + "."
	case !r.Kind.hasWindow():
		return ". The limit is not CPU: " + used + "; more connections would ask for more."
	}
	return ". The limit is not CPU: " + used + "; more connections or a larger window would ask for more."
}
