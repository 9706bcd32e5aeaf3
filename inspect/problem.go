package inspect

import (
	"encoding/json"
	"mime"
	"strings"
)

// godwitProblems is what the type of a problem of godwit serve begins with.
const godwitProblems = "https://godwit.io/problems/"

// reasonBytesMax is how much of a server's own explanation a sentence repeats.
const reasonBytesMax = 400

// problem is what an RFC 9457 problem document says.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// problemOf returns the problem document of an answer, the zero problem for none.
func problemOf(a *attempt) (p problem) {
	if media, _, _ := mime.ParseMediaType(a.head.get("Content-Type")); media != "application/problem+json" || json.Unmarshal(a.raw, &p) != nil {
		return problem{}
	}
	return p
}

// godwit is the name of the problem if it is one of godwit serve, "" otherwise.
func (p problem) godwit() string {
	name, _ := strings.CutPrefix(p.Type, godwitProblems)
	if name == p.Type {
		return ""
	}
	return name
}

// reason is how an answer explains itself: its problem document, or one line of
// plain text. It is "" for pages and for a text that is too long for a sentence.
func reason(a *attempt) string {
	p := problemOf(a)
	text := p.Title
	switch {
	case p.Title != "" && p.Detail != "":
		text += ": " + p.Detail
	case p.Title == "":
		text = p.Detail
	}
	if media, _, _ := mime.ParseMediaType(a.head.get("Content-Type")); media == "text/plain" {
		text = strings.TrimSpace(string(a.raw))
	}
	if text == "" || len(text) > reasonBytesMax || strings.ContainsAny(text, "\r\n") {
		return ""
	}
	return strings.TrimRight(printable(text, reasonBytesMax), ".") + "."
}

// explainGodwit says what answered, if that was godwit serve with a problem.
func (in *inspector) explainGodwit(p problem, lost bool) {
	do := "Do what its detail says; docs/problems.md of Godwit explains " + printable(p.godwit(), quotedBytesMax) + "."
	switch {
	case lost:
		do = "Let the proxy in between pass on Upgrade and Connection."
	case p.godwit() == "origin-not-allowed":
		do = "Start it with --origin and the page's origin, or add that to origins in its configuration."
	case p.godwit() == "unknown-host":
		do = "Connect by a name it knows, or start it with --origin and the address that visitors see."
	}
	what := "The answer is that of godwit serve, and says itself what is wrong."
	if lost {
		what = "The answer is that of godwit serve, which did not get the Upgrade or Connection that was sent."
	}
	in.found("software-known", what, do)
}

// setRight corrects advice that cannot be followed where godwit serve answers.
func (in *inspector) setRight() {
	if !in.isGodwit {
		return
	}
	for i := range in.report.Findings {
		f := &in.report.Findings[i]
		switch {
		case f.Do == "":
		case f.ID == "compression-declined", f.ID == "compression-benefit":
			f.Do = "Take compression: false out of its configuration, or use a newer version of godwit serve."
		case f.ID == "compression-no-takeover":
			f.Do = "There is nothing to change here: godwit serve compresses a publication once for everybody. A program with Godwit's library has the choice."
		}
	}
}
