package transport

import (
	"errors"
	"slices"
	"strings"
	"time"
)

// parseServer parses what is behind "the": what the server and its broker do.
func parseServer(rest string) (act, error) {
	if rest == "server shuts down" {
		return act{verb: verbShutsDown}, nil
	}
	words := strings.Fields(rest)
	if a, ok := parseByServer(words); ok {
		return a, nil
	}
	wrong := errors.New("it is: the server shuts down, subscribes NAME to CHANNEL, unsubscribes NAME from CHANNEL, unregisters NAME from METHOD, or the broker fails|holds METHOD [in CHANNEL], delays METHOD [in CHANNEL] by TIME, lets go [twice] [in reverse], recovers, loses CHANNEL, restarts, is away|back; METHOD is publish, listen, mute, history or everything")
	if len(words) < 2 || words[0] != "broker" {
		return act{}, wrong
	}
	a, words, doing := act{}, words[2:], words[1]
	// take takes words off the front if they are there; "" stands for any word.
	take := func(want ...string) (any string, ok bool) {
		if len(words) < len(want) {
			return "", false
		}
		for i, w := range want {
			if w == "" {
				any = words[i]
			} else if words[i] != w {
				return "", false
			}
		}
		words = words[len(want):]
		return any, true
	}
	switch doing {
	case "recovers":
		a.verb = verbRecovers
	case "restarts":
		a.verb = verbRestarts
	case "is":
		where, _ := take("")
		known := false
		if a.verb, known = map[string]verb{"away": verbIsAway, "back": verbIsBack}[where]; !known {
			return a, wrong
		}
	case "loses":
		a.verb = verbLoses
		a.channel, _ = take("")
		if a.channel == "" {
			return a, wrong
		}
	case "lets":
		a.verb = verbLetsGo
		if _, ok := take("go"); !ok {
			return a, wrong
		}
		_, a.twice = take("twice")
		_, a.reverse = take("in", "reverse")
	case "fails", "holds", "delays":
		a.verb = map[string]verb{"fails": verbFails, "holds": verbHolds, "delays": verbDelays}[doing]
		if a.method, _ = take(""); a.method == "everything" {
			a.method = ""
		} else if !slices.Contains(brokerMethods, a.method) {
			return a, wrong
		}
		a.channel, _ = take("in", "")
		if a.verb == verbDelays {
			by, _ := take("by", "")
			d, err := time.ParseDuration(by)
			if err != nil || d <= 0 {
				return a, wrong
			}
			a.passes = d
		}
	default:
		return a, wrong
	}
	if len(words) > 0 {
		return a, wrong
	}
	return a, nil
}

// parseByServer parses what the server does to a session of its own accord.
func parseByServer(words []string) (a act, ok bool) {
	if len(words) != 5 || words[0] != "server" || !clientName.MatchString(words[2]) {
		return act{}, false
	}
	doing, isKnown := map[string]verb{
		"subscribes to": verbSubscribes, "unsubscribes from": verbUnsubscribes, "unregisters from": verbUnregisters,
	}[words[1]+" "+words[3]]
	return act{verb: doing, who: words[2], channel: words[4]}, isKnown
}
