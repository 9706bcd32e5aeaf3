package transport

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// A script is a dialogue of clients and a server as a text file: what clients
// do, and below each such line what everybody hears because of it.
//
//	# What the file shows, in one or two sentences.
//	with history 2                           a limit, before anything else
//	ann opens websocket /channels/chat       websocket, sse, ndjson
//	ann opens sse /channels/chat (Last-Event-ID: E:1)
//	ann is open behind E:0                   heard, with Godwit-Position if there is one
//	ann is refused: 503 shutting-down        heard: not opened
//	ann > hello                              what a WebSocket sends; text, or
//	ann > binary "\x00"                      text in quotes, or "x" * 100
//	ann < hello                              heard: a message, a line of a stream
//	ann gets /channels/chat (Prefer: wait=20)
//	ann posts /channels/chat hello
//	ann < 201 {"position":"E:2"}             heard: an answer
//	ann opens sse /connect                   a session: sse and ndjson by POST, with
//	  {"id":1,"connect":{}}                  its body on lines of their own
//	ann posts /connect (Prefer: wait=20)     … and long polling
//	  {"id":1,"connect":{}}
//	ann vanishes                             as when its network has gone
//	post /channels/chat (Content-Type: application/json) {"a":1}
//	delete /connect?session=ANN.ANN-SECRET
//	get /channels/chat?last=1                requests that are answered at once
//	200 {"channel":"chat", …}                heard: their answer
//	ann leaves
//	ann hears the end: 4410 position lost    heard
//	15s pass
//	the server shuts down
//	the broker fails history in chat         publish, listen, mute, history, or everything
//	the broker delays publish by 700ms       the same
//	the broker holds publish                 until
//	the broker lets go                       … of all it holds; "in reverse", "twice"
//	the broker recovers                      from what it failed or was slow at
//	the broker loses chat                    it says that deliveries were lost
//	the broker restarts                      without what it knew
//	the broker is away                       its watcher says so, until
//	the broker is back
//	the server subscribes ann to chat        of its own accord, as
//	the server unsubscribes ann from chat    … it ends a subscription
//	the server unregisters ann from sum/*    … and a registration
//	a crowd of 100 comes to chat             sessions that nobody hears; they stay until the end
//	only without carriers: why
//
// E is the epoch of the broker, F that after its restart; T stands for a time, I for
// the ID of a session, and V(chat/a=E:1) for a vector. ANN and ANN-SECRET are the ID and
// the secret of the first session that ann was given, ANN2 and ANN2-SECRET those of the
// second; CALL1, CALL2 and so on are IDs of calls, V1, V2 and so on versions of members,
// C is a cursor, and N is a delay that is drawn, or the rest of a timeout.
type script struct {
	file    string
	options map[string]int // of with
	alone   string         // why no carrier can play it
	acts    []act
}

// act is something that is done, and what is heard because of it.
type act struct {
	line   int
	before []string // comments and blank lines
	text   string
	more   []string // further lines of data
	heard  []heard

	verb    verb
	who     string // "" for a request without a name
	kind    string // of opens: a transport
	path    string
	fields  fields
	binary  bool
	data    string
	passes  time.Duration // also of delays
	method  string        // of the broker, "" for all
	channel string        // "" for all
	count   int           // of a crowd
	reverse bool
	twice   bool
}

// heard is a line that somebody hears, "" being a request without a name.
type heard struct {
	line int
	who  string
	text string
}

// timePasses is why sockets cannot carry a script; wires in virtual time can.
const timePasses = "time passes"

type verb int

const (
	verbWith verb = iota
	verbAlone
	verbOpens
	verbGets
	verbPosts
	verbDeletes
	verbSays
	verbLeaves
	verbVanishes
	verbPass
	verbShutsDown
	verbFails
	verbDelays
	verbHolds
	verbLetsGo
	verbRecovers
	verbLoses
	verbRestarts
	verbIsAway
	verbIsBack
	verbSubscribes
	verbUnsubscribes
	verbUnregisters
	verbCrowd
)

// isRequest reports whether a client begins with it.
func (v verb) isRequest() bool {
	return v == verbOpens || v == verbGets || v == verbPosts || v == verbDeletes
}

// scriptOptions are the limits that a script may set.
var scriptOptions = []string{"history", "publication-bytes", "body-bytes", "commands", "guard", "subscriptions", "calls", "registrations"}

var brokerMethods = []string{"publish", "listen", "mute", "history"}

var (
	clientName  = regexp.MustCompile(`^[a-z]+$`)
	answerBegin = regexp.MustCompile(`^[1-5]\d\d( |$)`)
	fieldBegin  = regexp.MustCompile(`^\(([A-Za-z-]+): ([^)]*)\) ?`)
)

// parseScript parses a script. Its errors begin with the file and the line.
func parseScript(file, text string) (*script, error) {
	s := &script{file: file, options: map[string]int{}}
	if !strings.HasPrefix(text, "# ") {
		return nil, fmt.Errorf("%s:1: a script begins with a comment that says what it shows: # …", file)
	}
	var before []string
	for i, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		fail := func(err error) (*script, error) { return nil, fmt.Errorf("%s:%d: %q: %w", file, i+1, line, err) }
		if line == "" || strings.HasPrefix(line, "#") {
			before = append(before, line)
			continue
		}
		if more, ok := strings.CutPrefix(line, "  "); ok {
			if len(s.acts) == 0 || len(before) > 0 || !s.acts[len(s.acts)-1].takesLines() {
				return fail(errors.New("lines of data stand right below what they are sent with, which is a message or a request for " + ConnectPath))
			}
			last := &s.acts[len(s.acts)-1]
			if last.more = append(last.more, line); last.data != "" {
				last.data += "\n"
			}
			last.data += more
			continue
		}
		if who, ok := hearer(line); ok {
			switch {
			case len(s.acts) == 0:
				return fail(errors.New("something is heard before anything was done"))
			case len(before) > 0:
				return fail(errors.New("what is heard stands right below what is done, without blank lines and comments between them"))
			}
			last := &s.acts[len(s.acts)-1]
			last.heard = append(last.heard, heard{i + 1, who, line})
			continue
		}
		a, err := parseAct(line)
		if err != nil {
			return fail(err)
		}
		a.line, a.before, a.text = i+1, before, line
		before = nil
		if err := s.add(a); err != nil {
			return fail(err)
		}
	}
	if len(before) > 0 && len(s.acts) > 0 {
		return nil, fmt.Errorf("%s: the last comment stands before nothing", file)
	}
	if len(s.acts) == 0 {
		return nil, fmt.Errorf("%s: nothing is done", file)
	}
	return s, nil
}

// takesLines reports whether lines of data may follow.
func (a *act) takesLines() bool {
	isRequest := (a.verb == verbPosts || a.verb == verbOpens && a.kind != WebSocket) && a.isConnect()
	return (isRequest || a.verb == verbSays && !a.binary) && len(a.heard) == 0
}

// isConnect reports whether a is a request for sessions.
func (a *act) isConnect() bool {
	path, _, _ := strings.Cut(a.path, "?")
	return path == ConnectPath
}

// usesSessions reports whether the script is about sessions.
func (s *script) usesSessions() bool {
	return slices.ContainsFunc(s.acts, func(a act) bool { return a.isConnect() })
}

// requestMethod is the method of the request of a.
func (a *act) requestMethod() string {
	switch {
	case a.verb == verbDeletes:
		return http.MethodDelete
	case a.verb == verbPosts, a.verb == verbOpens && a.data != "":
		return http.MethodPost
	}
	return http.MethodGet
}

// add checks an act against those before it.
func (s *script) add(a act) error {
	known := func(name string) bool {
		return slices.ContainsFunc(s.acts, func(b act) bool { return b.verb.isRequest() && b.who == name })
	}
	switch {
	case a.verb == verbWith:
		if slices.ContainsFunc(s.acts, func(b act) bool { return b.verb > verbAlone }) {
			return errors.New("limits stand before everything else")
		}
		n, _ := strconv.Atoi(a.data)
		s.options[a.kind] = n
	case a.verb == verbAlone:
		s.alone = a.data
	case a.verb == verbPass, a.verb == verbDelays:
		if s.alone == "" {
			s.alone = timePasses
		}
	case a.who != "" && !a.verb.isRequest() && !known(a.who):
		return fmt.Errorf("%s is not there; open something first: %s opens websocket /channels/…", a.who, a.who)
	}
	s.acts = append(s.acts, a)
	return nil
}

// hearer names the client that hears line, if it is a line that is heard.
func hearer(line string) (who string, ok bool) {
	if answerBegin.MatchString(line) {
		return "", true
	}
	who, rest, _ := strings.Cut(line, " ")
	if !clientName.MatchString(who) {
		return "", false
	}
	for _, begin := range []string{"< ", "is refused: ", "is open ", "hears the end: "} {
		if strings.HasPrefix(rest, begin) {
			return who, true
		}
	}
	return who, slices.Contains([]string{"<", "is open", "hears the end"}, rest)
}

func parseAct(line string) (act, error) {
	first, rest, _ := strings.Cut(line, " ")
	switch first {
	case "with":
		name, value, _ := strings.Cut(rest, " ")
		if n, err := strconv.Atoi(value); err != nil || n < 0 || !slices.Contains(scriptOptions, name) {
			return act{}, fmt.Errorf("a limit is: with %s N", strings.Join(scriptOptions, "|"))
		}
		return act{verb: verbWith, kind: name, data: value}, nil
	case "only":
		why, ok := strings.CutPrefix(rest, "without carriers: ")
		if !ok || why == "" {
			return act{}, errors.New("a script is only played where nothing is sent with: only without carriers: why")
		}
		return act{verb: verbAlone, data: why}, nil
	case "get":
		return parseRequest(act{verb: verbGets}, rest)
	case "post":
		return parseRequest(act{verb: verbPosts}, rest)
	case "delete":
		return parseRequest(act{verb: verbDeletes}, rest)
	case "the":
		return parseServer(rest)
	}
	if d, err := time.ParseDuration(first); err == nil && (rest == "pass" || rest == "passes") {
		if d <= 0 {
			return act{}, errors.New("only a time that is positive can pass")
		}
		return act{verb: verbPass, passes: d}, nil
	}
	if crowd, ok := strings.CutPrefix(line, "a crowd "); ok {
		a := act{verb: verbCrowd}
		if n, err := fmt.Sscanf(crowd, "of %d comes to %s", &a.count, &a.channel); err != nil || n != 2 || a.count < 1 || a.count > 10_000 {
			return act{}, errors.New("it is: a crowd of N comes to CHANNEL")
		}
		return a, nil
	}
	if !clientName.MatchString(first) {
		return act{}, fmt.Errorf("%q is neither the name of a client, in lower-case letters, nor with, get, post, the or a time", first)
	}
	second, rest, _ := strings.Cut(rest, " ")
	a := act{who: first}
	switch second {
	case "opens":
		a.verb = verbOpens
		if a.kind, rest, _ = strings.Cut(rest, " "); !slices.Contains([]string{WebSocket, SSE, NDJSON}, a.kind) {
			return a, errors.New("a client opens websocket, sse or ndjson, and a path")
		}
		return parseRequest(a, rest)
	case "gets":
		a.verb = verbGets
		return parseRequest(a, rest)
	case "posts":
		a.verb = verbPosts
		return parseRequest(a, rest)
	case ">":
		a.verb = verbSays
		data, isBinary := strings.CutPrefix(rest, "binary ")
		a.binary = isBinary
		var err error
		a.data, err = parseData(data)
		return a, err
	case "vanishes":
		if rest == "" {
			a.verb = verbVanishes
			return a, nil
		}
	case "leaves":
		if rest == "" {
			a.verb = verbLeaves
			return a, nil
		}
	}
	return a, errors.New("a client opens, gets, posts, leaves, vanishes, or sends with >; it hears with <, is open, is refused: and hears the end")
}

// parseRequest parses a path, fields in parentheses, and the body of a post.
func parseRequest(a act, rest string) (act, error) {
	a.path, rest, _ = strings.Cut(rest, " ")
	if !strings.HasPrefix(a.path, "/") {
		return a, errors.New("a request has a path, which begins with /")
	}
	for {
		field := fieldBegin.FindStringSubmatch(rest)
		if field == nil {
			break
		}
		a.fields = append(a.fields, field[1], field[2])
		rest = rest[len(field[0]):]
	}
	if a.isConnect() && rest == "" {
		return a, nil // lines may follow
	}
	if a.verb != verbPosts {
		if rest != "" {
			return a, fmt.Errorf("%q is behind the path; fields are written (Name: value)", rest)
		}
		return a, nil
	}
	var err error
	a.data, err = parseData(rest)
	return a, err
}

// parseData is the inverse of showData, and knows "x" * 100 besides.
func parseData(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		if text == "" || text != strings.TrimSpace(text) {
			return "", errors.New(`data that is empty, or begins or ends with a space, stands in quotes: ""`)
		}
		return text, nil
	}
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", errors.New("the quotes do not end, or what is between them is no Go string")
	}
	data, _ := strconv.Unquote(quoted)
	rest := text[len(quoted):]
	if rest == "" {
		return data, nil
	}
	times, ok := strings.CutPrefix(rest, " * ")
	n, err := strconv.Atoi(times)
	if !ok || err != nil || n < 1 || n > 1<<20 {
		return "", fmt.Errorf(`%q is behind the quotes; repeat what is in them with: "x" * 100`, rest)
	}
	return strings.Repeat(data, n), nil
}

// showData is text as a script has it.
func showData(text string) string {
	unprintable := func(r rune) bool { return !unicode.IsPrint(r) }
	if text == "" || text != strings.TrimSpace(text) || text[0] == '"' || strings.HasPrefix(text, "binary ") ||
		!utf8.ValidString(text) || strings.ContainsFunc(text, unprintable) {
		return strconv.Quote(text)
	}
	return text
}

// String is the script as it stands in its file.
func (s *script) String() string {
	var b strings.Builder
	for _, a := range s.acts {
		for _, line := range slices.Concat(a.before, []string{a.text}, a.more) {
			b.WriteString(line + "\n")
		}
		for _, h := range a.heard {
			b.WriteString(h.text + "\n")
		}
	}
	return b.String()
}

// uses reports whether a client opens that kind.
func (s *script) uses(kind string) bool {
	return slices.ContainsFunc(s.acts, func(a act) bool { return a.verb == verbOpens && a.kind == kind })
}

// isBrokerSlow reports whether the broker does what takes its time.
func (s *script) isBrokerSlow() bool {
	return slices.ContainsFunc(s.acts, func(a act) bool { return a.verb == verbHolds || a.verb == verbDelays })
}

// scripts parses the dialogues in testdata.
func scripts(t *testing.T) (all []*script) {
	t.Helper()
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseScript(file, string(text))
		if err != nil {
			t.Error(err)
			continue
		}
		all = append(all, s)
	}
	return all
}

func (s *script) name() string { return strings.TrimSuffix(filepath.Base(s.file), ".txt") }
