package spoken

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/hub"
)

// Help says how commands are written.
const Help = `  subscribe CHANNEL [last=N] [since=POSITION] [rate=N] [presence] [noself] [delta]
  unsubscribe CHANNEL
  publish CHANNEL DATA…          JSON if it is an object or array, else text
  history CHANNEL [last=N] [since=POSITION] [limit=N]
  presence CHANNEL [limit=N] [users] [count]
  digest CHANNEL last=N
  rpc METHOD [DATA…]             cancel ID
  register METHOD [concurrency=N]   unregister METHOD   answer CALL [DATA…]
  connect [TOKEN]   refresh TOKEN   ping   end
  {"id":…}                       a command as it stands`

// word is how one command is written.
type word struct {
	name    string
	verb    clientproto.Verb
	subject string // what the word behind it is: CHANNEL, METHOD, CALL, ID, TOKEN or nothing
	isOwed  bool   // the subject must be there
	options []string
	hasData bool
}

var words = []word{
	{name: "subscribe", verb: clientproto.Subscribe, subject: "CHANNEL", isOwed: true, options: []string{"last=", "since=", "rate=", "presence", "noself", "delta"}},
	{name: "unsubscribe", verb: clientproto.Unsubscribe, subject: "CHANNEL", isOwed: true},
	{name: "publish", verb: clientproto.Publish, subject: "CHANNEL", isOwed: true, hasData: true},
	{name: "history", verb: clientproto.History, subject: "CHANNEL", isOwed: true, options: []string{"last=", "since=", "limit="}},
	{name: "presence", verb: clientproto.Presence, subject: "CHANNEL", isOwed: true, options: []string{"limit=", "users", "count"}},
	{name: "digest", verb: clientproto.Digest, subject: "CHANNEL", isOwed: true, options: []string{"last="}},
	{name: "rpc", verb: clientproto.RPC, subject: "METHOD", isOwed: true, hasData: true},
	{name: "cancel", verb: clientproto.Cancel, subject: "ID", isOwed: true},
	{name: "register", verb: clientproto.Register, subject: "METHOD", isOwed: true, options: []string{"concurrency="}},
	{name: "unregister", verb: clientproto.Unregister, subject: "METHOD", isOwed: true},
	{name: "answer", verb: clientproto.Answer, subject: "CALL", isOwed: true, hasData: true},
	{name: "connect", verb: clientproto.Connect, subject: "TOKEN"},
	{name: "refresh", verb: clientproto.Refresh, subject: "TOKEN", isOwed: true},
	{name: "ping", verb: clientproto.Ping},
	{name: "end", verb: clientproto.End},
}

func findWord(name string) *word {
	for i := range words {
		if words[i].name == name {
			return &words[i]
		}
	}
	return nil
}

// parse reads a command in words. Its ID is that of id.
func parse(line string, id uint64) (clientproto.Command, error) {
	var c clientproto.Command
	name, rest := cutWord(line)
	w := findWord(name)
	if w == nil {
		return c, fmt.Errorf("there is no command %q%s", short(name), suggestion(name))
	}
	c.ID, c.Verb = id, w.verb
	subject := ""
	if w.subject != "" {
		subject, rest = cutWord(rest)
		if subject == "" && w.isOwed {
			return c, fmt.Errorf("%s needs a %s", w.name, w.subject)
		}
	}
	if err := setSubject(&c, w, subject); err != nil {
		return c, err
	}
	if w.hasData {
		if rest == "" && w.verb == clientproto.Publish {
			return c, fmt.Errorf("publish needs what to publish: publish %s DATA", short(subject))
		}
		setData(&c, rest)
		return c, nil
	}
	for rest != "" {
		var option string
		option, rest = cutWord(rest)
		if err := setOption(&c, w, option); err != nil {
			return c, err
		}
	}
	if c.Verb == clientproto.History && c.Last == 0 && c.Since.IsZero() {
		c.Last = historyDefault
	}
	return c, nil
}

// historyDefault is how many publications history asks for if it is not said.
const historyDefault = 10

func cutWord(s string) (word, rest string) {
	word, rest, _ = strings.Cut(strings.TrimSpace(s), " ")
	return word, strings.TrimSpace(rest)
}

func setSubject(c *clientproto.Command, w *word, subject string) error {
	switch w.subject {
	case "CHANNEL":
		c.Channel = subject
	case "METHOD":
		c.Method = subject
	case "TOKEN":
		c.Token = subject
	case "ID", "CALL":
		n, err := strconv.ParseUint(subject, 10, 53)
		if err != nil || n == 0 {
			return fmt.Errorf("%s: %q is not the number of a call", w.name, short(subject))
		}
		c.Target = n
	}
	return nil
}

// setData makes a payload of the rest of a line.
func setData(c *clientproto.Command, text string) {
	if text == "" {
		return
	}
	c.Kind, c.Data = hub.Text, []byte(text)
	if (text[0] == '{' || text[0] == '[') && json.Valid(c.Data) {
		c.Kind = hub.JSON
	}
}

func setOption(c *clientproto.Command, w *word, option string) error {
	name, value, has := strings.Cut(option, "=")
	if has {
		name += "="
	}
	if !slices.Contains(w.options, name) {
		hint := "it takes none"
		if len(w.options) > 0 {
			hint = "it takes " + strings.Join(w.options, " ")
		}
		return fmt.Errorf("%s has no option %q; %s", w.name, short(option), hint)
	}
	switch name {
	case "presence":
		c.WithMembers = true
		return nil
	case "noself":
		c.ExcludeSelf = true
		return nil
	case "delta":
		c.Delta = "fossil"
		return nil
	case "users":
		c.ByUser = true
		return nil
	case "count":
		c.CountOnly = true
		return nil
	case "since=":
		if p, err := hub.ParsePosition(value); err == nil {
			c.Since = p
			return nil
		}
		if c.Verb == clientproto.Subscribe && strings.Contains(c.Channel, "*") && value != "" {
			c.Vector = value
			return nil
		}
		return fmt.Errorf("since=: %q is not a position; they look like BJYB:18", short(value))
	}
	n, err := strconv.ParseUint(value, 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("%s %q is not a number of 1 or more", name, short(value))
	}
	switch name {
	case "last=":
		c.Last = int(n)
	case "limit=":
		c.Limit = int(n)
	case "rate=":
		c.Rate = int(n)
	case "concurrency=":
		c.Concurrency = int(n)
	}
	return nil
}

// suggestion is the command that name is the beginning of, or nearly is.
func suggestion(name string) string {
	for _, w := range words {
		if len(name) > 1 && (strings.HasPrefix(w.name, name) || isNear(w.name, name)) {
			return "; did you mean " + w.name + "?"
		}
	}
	return ""
}

// isNear reports whether one letter more, less, other or exchanged makes a of b.
func isNear(a, b string) bool {
	if len(a) < len(b) {
		a, b = b, a
	}
	if len(a)-len(b) > 1 {
		return false
	}
	i := 0
	for i < len(b) && a[i] == b[i] {
		i++
	}
	if len(a) > len(b) {
		return a[i+1:] == b[i:]
	}
	return i == len(b) || a[i+1:] == b[i+1:] ||
		i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
}

// shortMax is how much of what a person typed an error repeats.
const shortMax = 40

func short(s string) string {
	if r := []rune(s); len(r) > shortMax {
		return string(r[:shortMax]) + "…"
	}
	return s
}

// Complete says how line, up to a cursor at its end, may go on: which words may stand
// in place of what begins at start. Channels are those to offer.
func Complete(line string, channels []string) (start int, fit []string) {
	start = strings.LastIndexByte(line, ' ') + 1
	begun := line[start:]
	fields := strings.Fields(line[:start])
	offer := func(candidates []string, end string) {
		for _, c := range candidates {
			if strings.HasPrefix(c, begun) {
				if !strings.HasSuffix(c, "=") {
					c += end
				}
				fit = append(fit, c)
			}
		}
	}
	if len(fields) == 0 {
		var names []string
		for _, w := range words {
			names = append(names, w.name)
		}
		offer(names, " ")
		return start, fit
	}
	w := findWord(fields[0])
	switch {
	case w == nil:
	case len(fields) == 1 && w.subject == "CHANNEL":
		offer(channels, " ")
	case len(fields) >= 2 && !w.hasData:
		offer(slices.DeleteFunc(slices.Clone(w.options), func(o string) bool {
			return slices.ContainsFunc(fields, func(f string) bool { return f == o || strings.HasSuffix(o, "=") && strings.HasPrefix(f, o) })
		}), " ")
	}
	return start, fit
}

// Took is a duration for people: of three digits or so.
func Took(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
