package eventsource

import "strings"

// Event is what an EventSource would dispatch.
type Event struct{ ID, Name, Data string }

// Parser is the algorithm of HTML §9.2.6. The zero value is at the beginning of a
// stream.
type Parser struct {
	id     string // last event ID buffer
	name   string
	data   strings.Builder
	Retry  string // the newest, digits
	LastID string // what an EventSource would send as Last-Event-ID
}

// Line interprets one line without its end. It returns an event when the line
// dispatches one.
func (p *Parser) Line(line string) (Event, bool) {
	if line == "" {
		p.LastID = p.id
		data, name := p.data.String(), p.name
		p.data.Reset()
		p.name = ""
		if data == "" {
			return Event{}, false
		}
		return Event{p.LastID, name, strings.TrimSuffix(data, "\n")}, true
	}
	if line[0] == ':' {
		return Event{}, false
	}
	field, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	switch field {
	case "event":
		p.name = value
	case "data":
		p.data.WriteString(value)
		p.data.WriteByte('\n')
	case "id":
		if !strings.Contains(value, "\x00") {
			p.id = value
		}
	case "retry":
		if value != "" && strings.Trim(value, "0123456789") == "" {
			p.Retry = value
		}
	}
	return Event{}, false
}

// Parse splits a whole stream into lines at CRLF, LF and CR and interprets them.
func (p *Parser) Parse(stream string) (events []Event) {
	stream = strings.ReplaceAll(stream, "\r\n", "\n")
	stream = strings.ReplaceAll(stream, "\r", "\n")
	lines := strings.Split(stream, "\n")
	for _, line := range lines[:len(lines)-1] { // an unfinished line at the end is dropped
		if e, ok := p.Line(line); ok {
			events = append(events, e)
		}
	}
	return events
}
