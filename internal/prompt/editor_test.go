package prompt

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// keys are those of the tests by their names.
var keys = map[string]tea.KeyPressMsg{
	"enter": {Code: tea.KeyEnter}, "alt+enter": {Code: tea.KeyEnter, Mod: tea.ModAlt}, "tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
	"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "home": {Code: tea.KeyHome},
	"backspace": {Code: tea.KeyBackspace}, "esc": {Code: tea.KeyEscape}, "alt+b": {Code: 'b', Mod: tea.ModAlt}, "alt+d": {Code: 'd', Mod: tea.ModAlt},
}

func init() {
	for _, c := range "acdejkpnruwz" {
		keys["ctrl+"+string(c)] = tea.KeyPressMsg{Code: c, Mod: tea.ModCtrl}
	}
}

// person is an editor and what has come of it.
type person struct {
	*editor
	sent  []string
	ended int
}

func newPerson(o Options) *person {
	p := &person{}
	if o.Prompt == "" {
		o.Prompt = "> "
	}
	if o.History == nil {
		o.History = &History{}
	}
	history := o.History
	p.editor = newEditor(o, func(text string) { p.sent = append(p.sent, text); _ = history.Add(text) }, func() { p.ended++ })
	p.Update(tea.WindowSizeMsg{Width: 40, Height: 12})
	return p
}

// do presses keys: names in angle brackets, and text.
func (p *person) do(t *testing.T, script string) {
	t.Helper()
	for script != "" {
		if name, rest, ok := strings.Cut(script, ">"); ok && strings.HasPrefix(name, "<") {
			name, script = name[1:], rest
			if text, is := strings.CutPrefix(name, "paste:"); is {
				p.Update(tea.PasteMsg{Content: text})
				continue
			}
			k, known := keys[name]
			if !known || k.String() != name {
				t.Fatalf("there is no key %s; it is called %s", name, k)
			}
			_, cmd := p.Update(k)
			if cmd != nil && strings.HasSuffix(name, "tab") {
				p.Update(cmd())
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(script)
		p.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		script = script[size:]
	}
}

// screen is the shown text, without styles and spaces at the ends of lines.
func (p *person) screen() string {
	lines := strings.Split(ansi.Strip(p.View().Content), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "|")
}

// What keys make of a line.
func TestEditing(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ keys, screen, sent string }{
		{"", ">", ""},
		{"hello", "> hello", ""},
		{"hello<enter>", ">", "hello"},
		{"<enter>", ">", ""},
		{"world<home>hello <enter>", ">", "hello world"},
		{"one two<ctrl+w>three", "> one three", ""},
		{"one two<alt+b><alt+d>2<enter>", ">", "one 2"},
		{"one<ctrl+a><ctrl+k>two<enter>", ">", "two"},
		{"one<ctrl+u>two<ctrl+e>!<enter>", ">", "two!"},
		{"漢字😀<left><left>x", "> 漢x字😀", ""},
		{"a<alt+enter>b<ctrl+j>c", "> a|  b|  c", ""},
		{"a<alt+enter>b<enter>", ">", "a\nb"},
		{"<paste:{\n\t\"a\": 1\r\n}>", "> {|  ␉\"a\": 1|  }", ""},
		{"<paste:{\n\t\"a\": 1\r\n}><enter>", ">", "{\n\t\"a\": 1\n}"},
		{"x<paste:\x1b[2J\x07y>", "> x[2Jy", ""},
		{"dropped<ctrl+c>", ">", ""},
		{"ab<left><ctrl+d>", "> a", ""},
		{strings.Repeat("word ", 9), "> word word word word word word word|  word word", ""},
	} {
		p := newPerson(Options{})
		p.do(t, c.keys)
		if got := strings.Join(p.sent, ","); got != c.sent || p.screen() != c.screen || p.ended != 0 {
			t.Errorf("%q: %q sent, ended %d times, and\n%s\nis shown, not\n%s", c.keys, got, p.ended, p.screen(), c.screen)
		}
	}
}

// Ctrl-D and Ctrl-C end where nothing is typed, and only there.
func TestEnding(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]int{"<ctrl+d>": 1, "<ctrl+c>": 1, "x<ctrl+d>": 0, "x<ctrl+c>": 0, "x<ctrl+c><ctrl+c>": 1, "x<enter><ctrl+d>": 1} {
		p := newPerson(Options{})
		p.do(t, keys)
		if p.ended != want {
			t.Errorf("%q: it ended %d times", keys, p.ended)
		}
	}
	p := newPerson(Options{})
	p.do(t, "left over")
	if _, cmd := p.Update(closing{}); p.screen() != "" || cmd == nil {
		t.Errorf("after the end %q is shown", p.screen())
	}
}

func TestRecall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ keys, screen string }{
		{"<up>", "> three"},
		{"<up><up>", "> two|  lines"},
		{"<up><up><up>", "> one"},
		{"<up><up><left><up>x", "> twox|  lines"}, // in edited text it is a key to move
		{"<up><up><up><up><up><up><up>", "> one"},
		{"draft<up><down>", "> draft"},
		{"draft<ctrl+p><ctrl+n><down>", "> draft"},
		{"<up>!<enter><up>", "> three!"},
		{"<up><ctrl+c><up>", "> three"},
		{"<ctrl+r>o", "search: o → two⏎lines"},
		{"<ctrl+r>o<ctrl+r>", "search: o → one"},
		{"<ctrl+r>o<ctrl+r><ctrl+r>", "search: o → one"},
		{"<ctrl+r>th", "search: th → three"},
		{"<ctrl+r>thx", "search: thx → three"},
		{"<ctrl+r>thx<backspace><backspace><backspace>", "search:  →"},
		{"<ctrl+r>two<left>!", "> two|  line!s"},
		{"draft<ctrl+r>two<esc>", "> draft"},
		{"<ctrl+r>one<enter>", ">"},
		{"<ctrl+r>one<paste:!>", "> one!"},
	} {
		p := newPerson(Options{History: &History{entries: []string{"one", "two\nlines", "three"}}})
		p.do(t, c.keys)
		if p.screen() != c.screen {
			t.Errorf("%q\n got %s\nwant %s", c.keys, p.screen(), c.screen)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	complete := func(_ context.Context, begun string) Completion {
		start := strings.LastIndexByte(begun, ' ') + 1
		c := Completion{Start: start}
		for _, w := range []string{"subscribe ", "publish ", "chat ", "chess ", "漢字", "漢語"} {
			if strings.HasPrefix(w, begun[start:]) {
				c.Words = append(c.Words, w)
			}
		}
		return c
	}
	for _, c := range []struct{ keys, screen string }{
		{"su<tab>", "> subscribe"},
		{"su<tab>c<tab>", "> subscribe ch|  chat  chess"},
		{"su<tab>c<tab>a", "> subscribe cha"},
		{"su<tab>c<tab><tab>", "> subscribe chat|  chat  chess"},
		{"su<tab>c<tab><tab><tab>", "> subscribe chess|  chess"},
		{"su<tab>c<tab><tab><tab><tab>", "> subscribe chat|  chat  chess"},
		{"su<tab>c<tab><shift+tab>", "> subscribe chess|  chess"},
		{"漢<tab>", "> 漢|  漢字  漢語"},
		{"moon<tab>", "> moon"},
		{"su<left><tab>", "> su"}, // only at the end
		{"<tab>", ">|  subscribe  publish  chat  chess  漢字…"},
	} {
		p := newPerson(Options{Complete: complete})
		p.do(t, c.keys)
		if p.screen() != c.screen {
			t.Errorf("%q\n got %s\nwant %s", c.keys, p.screen(), c.screen)
		}
		if rows := strings.Count(p.screen(), "|") + 1; p.rows() != rows {
			t.Errorf("%q: %d rows, and it says %d", c.keys, rows, p.rows())
		}
	}
	// A completion that comes late, for a line that is not there any more, is dropped.
	p := newPerson(Options{Complete: complete})
	p.do(t, "su")
	_, cmd := p.Update(keys["tab"])
	p.do(t, "x")
	p.Update(cmd())
	if p.screen() != "> sux" {
		t.Errorf("%s", p.screen())
	}
}

// A long message is scrolled in, and as much of the terminal is left as was said.
func TestRows(t *testing.T) {
	t.Parallel()
	p := newPerson(Options{})
	var long strings.Builder
	for i := range 60 {
		fmt.Fprintf(&long, "line %d\n", i)
	}
	p.do(t, "<paste:"+long.String()+"end>")
	if rows := strings.Count(p.screen(), "|") + 1; rows != rowsMax || p.rows() != rows || !strings.HasSuffix(p.screen(), "  end") {
		t.Errorf("%d rows, and it says %d: %s", rows, p.rows(), p.screen())
	}
	p.Update(tea.WindowSizeMsg{Width: 20, Height: 5})
	if rows := strings.Count(p.screen(), "|") + 1; rows != 3 {
		t.Errorf("on 5 rows it takes %d", rows)
	}
	p.do(t, "<enter>")
	if len(p.sent) != 1 || p.sent[0] != long.String()+"end" {
		t.Error("what was pasted is not what was sent")
	}
	p.Update(renamed("wait > "))
	if p.screen() != "wait >" {
		t.Errorf("%s", p.screen())
	}
}

// A text too long to be drawn is a word, and is sent whole.
func TestLongPaste(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a\tb\n", pasteBytesMax)
	p := newPerson(Options{})
	p.do(t, "x <paste:"+long+"> y <paste:"+strings.ToUpper(long)+">")
	if p.screen() != "> x ⟦paste 1: 32768 bytes⟧ y ⟦paste 2:|  32768 bytes⟧" {
		t.Errorf("%s", p.screen())
	}
	p.do(t, "<enter>")
	want := "x " + long + " y " + strings.ToUpper(long)
	if len(p.sent) != 1 || p.sent[0] != want {
		t.Error("what was pasted is not what was sent")
	}
	p.do(t, "<up>!<enter>")
	if len(p.sent) != 2 || p.sent[1] != want+"!" {
		t.Error("what was recalled is not what was sent")
	}
}

func TestPortions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		texts         []string
		width, height int
		want          []string
	}{
		{nil, 10, 5, nil},
		{[]string{"one", "two"}, 10, 5, []string{"one\ntwo"}},
		{[]string{"one\ntwo", "three"}, 10, 2, []string{"one\ntwo", "three"}},
		{[]string{"", "x"}, 10, 1, []string{" ", "x"}},
		{[]string{"abcdef"}, 4, 9, []string{"abcd\nef"}},
		{[]string{"漢字漢"}, 4, 9, []string{"漢字\n漢"}},
		{[]string{"a\tb"}, 9, 9, []string{"a    b"}},
		{[]string{"\x1b[32mabcdef\x1b[0m!"}, 4, 1, []string{"\x1b[32mabcd\x1b[0m", "\x1b[32mef\x1b[0m!"}},
		{[]string{"\x1b[32mab\x1b[0mcdef"}, 4, 1, []string{"\x1b[32mab\x1b[0mcd", "ef"}},
	} {
		if got := portions(c.texts, c.width, c.height); !slices.Equal(got, c.want) {
			t.Errorf("%q %d %d\n got %q\nwant %q", c.texts, c.width, c.height, got, c.want)
		}
	}
}
