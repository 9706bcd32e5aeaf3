package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/jsonpointer"
)

// Template is a text in which JSON pointers stand in braces, for what they point to in a message:
// "{/params/result/hash}-{/params/result/logIndex}". The zero Template is an empty text. It is not
// modified once parsed.
type Template struct{ parts []part }

// part is a text as it stands there, or a placeholder.
type part struct {
	text        string
	pointer     jsonpointer.Pointer
	isPointer   bool
	maySegments bool // the value may have slashes: "{+/pair}"
}

// templatePartsMax bounds how long rendering takes.
const templatePartsMax = 32

// ParseTemplate parses a template. The error completes a sentence that begins with the text.
func ParseTemplate(s string) (Template, error) {
	var t Template
	for rest := s; rest != ""; {
		text, after, found := strings.Cut(rest, "{")
		if strings.Contains(text, "}") {
			return Template{}, errors.New(`it has a "}" that closes nothing`)
		}
		if text != "" {
			t.parts = append(t.parts, part{text: text})
		}
		if !found {
			break
		}
		inner, after, found := strings.Cut(after, "}")
		if !found {
			return Template{}, errors.New(`it has a "{" without a "}"`)
		}
		p := part{isPointer: true}
		inner, p.maySegments = strings.CutPrefix(inner, "+")
		if inner == "" {
			return Template{}, errors.New(`it has braces with no JSON pointer in them; write for example {/symbol}`)
		}
		var err error
		if p.pointer, err = jsonpointer.Parse(inner); err != nil {
			return Template{}, fmt.Errorf("{%s} is no JSON pointer in braces, such as {/symbol}: %w", inner, err)
		}
		t.parts = append(t.parts, p)
		rest = after
	}
	if len(t.parts) > templatePartsMax {
		return Template{}, fmt.Errorf("it has %d parts; at most %d are possible", len(t.parts), templatePartsMax)
	}
	return t, nil
}

// IsZero reports whether t is an empty text.
func (t Template) IsZero() bool { return len(t.parts) == 0 }

// IsFixed reports whether t has no placeholder.
func (t Template) IsFixed() bool {
	for _, p := range t.parts {
		if p.isPointer {
			return false
		}
	}
	return true
}

// String is t as ParseTemplate takes it.
func (t Template) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		switch {
		case !p.isPointer:
			b.WriteString(p.text)
		case p.maySegments:
			fmt.Fprintf(&b, "{+%s}", p.pointer)
		default:
			fmt.Fprintf(&b, "{%s}", p.pointer)
		}
	}
	return b.String()
}

// Render is t for a message, which is valid JSON. ok is false if something is missing there that t
// points to, or is no string, number, true or false.
func (t Template) Render(message []byte) (text string, ok bool) {
	if len(t.parts) == 1 && !t.parts[0].isPointer {
		return t.parts[0].text, true
	}
	var b strings.Builder
	for _, p := range t.parts {
		value := p.text
		if p.isPointer {
			if value, ok = scalarAt(p.pointer, message); !ok {
				return "", false
			}
		}
		b.WriteString(value)
	}
	return b.String(), true
}

// scalarAt is the text of the string, number, true or false to which p points.
func scalarAt(p jsonpointer.Pointer, message []byte) (text string, ok bool) {
	value, ok := p.Find(message)
	if !ok || !isScalar(value) {
		return "", false
	}
	if value[0] != '"' {
		return string(value), true
	}
	if json.Unmarshal(value, &text) != nil {
		return "", false
	}
	return text, true
}

// isScalar reports whether a value of JSON is a string, a number, true or false.
func isScalar(value []byte) bool {
	return len(value) > 0 && value[0] != '{' && value[0] != '[' && value[0] != 'n'
}

// Channel names the channel of a message: a name, or a Template that begins with at least one whole segment
// of text. What a message puts there stays below that, see Of.
type Channel struct {
	template Template
	name     string // if it is fixed
}

// ParseChannel parses the name of a channel, or a template for names. The error completes a sentence that begins with
// the text.
func ParseChannel(s string) (Channel, error) {
	t, err := ParseTemplate(s)
	if err != nil {
		return Channel{}, err
	}
	c := Channel{template: t}
	if t.IsFixed() {
		c.name = s
		return c, channelProblem(s)
	}
	if t.parts[0].isPointer || !strings.Contains(t.parts[0].text, "/") {
		return Channel{}, errors.New(`it leaves to the upstream which channel it is; begin with a segment of your own, for example ticker/` + s)
	}
	var sample strings.Builder
	for _, p := range t.parts {
		if p.isPointer {
			sample.WriteByte('x')
		}
		sample.WriteString(p.text)
	}
	return c, channelProblem(sample.String())
}

func channelProblem(name string) error {
	if wrong, ok := errors.AsType[*hub.NameError](hub.CheckChannel(name)); ok {
		return fmt.Errorf("it names no channel: %s", wrong.Problem)
	}
	return nil
}

// Fixed is the name that every message has, "" if it depends on the message.
func (c Channel) Fixed() string { return c.name }

// String is c as ParseChannel takes it.
func (c Channel) String() string { return c.template.String() }

// Of is the channel of a message, which is valid JSON. The error says why there is none: something is
// missing, is not one segment where one is asked for, is rewritten in URLs, or would close the channel
// although c does not.
func (c Channel) Of(message []byte) (string, error) {
	if c.name != "" {
		return c.name, nil
	}
	var name, mask strings.Builder // mask has an x for each byte that the message has put there
	for _, p := range c.template.parts {
		if !p.isPointer {
			name.WriteString(p.text)
			mask.WriteString(p.text)
			continue
		}
		value, ok := scalarAt(p.pointer, message)
		switch {
		case !ok:
			return "", fmt.Errorf("there is no text or number at %s", p.pointer)
		case value == "":
			return "", fmt.Errorf("what is at %s is empty", p.pointer)
		case len(value) > hub.ChannelNameBytesMax:
			return "", fmt.Errorf("what is at %s is too long for the name of a channel", p.pointer)
		case !p.maySegments && strings.Contains(value, "/"):
			return "", fmt.Errorf("what is at %s has a slash, for which a template has {+%s}", p.pointer, p.pointer)
		}
		name.WriteString(value)
		mask.WriteString(strings.Repeat("x", len(value)))
	}
	if err := channelProblem(name.String()); err != nil {
		return "", err
	}
	if access.IsClosed(name.String()) && !closesAlike(name.String(), mask.String()) {
		return "", errors.New("it would be a closed channel, which only the template can say")
	}
	return name.String(), nil
}

// closesAlike reports whether every segment that closes the channel name is begun so by its template. mask is as
// long as name.
func closesAlike(name, mask string) bool {
	for begin := 0; begin < len(name); {
		end := len(name)
		if i := strings.IndexByte(name[begin:], '/'); i >= 0 {
			end = begin + i
		}
		if access.Closes(name[begin:end]) && !access.Closes(mask[begin:end]) {
			return false
		}
		begin = end + 1
	}
	return true
}

// MayBe reports whether name can be the channel of a message.
func (c Channel) MayBe(name string) bool {
	if c.name != "" {
		return c.name == name
	}
	var pattern strings.Builder
	pattern.WriteString("^")
	for _, p := range c.template.parts {
		switch {
		case !p.isPointer:
			pattern.WriteString(regexp.QuoteMeta(p.text))
		case p.maySegments:
			pattern.WriteString(".+")
		default:
			pattern.WriteString("[^/]+")
		}
	}
	return regexp.MustCompile(pattern.String() + "$").MatchString(name)
}
