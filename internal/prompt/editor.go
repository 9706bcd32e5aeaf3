package prompt

import (
	"context"
	"fmt"
	"strings"
	"time"

	"charm.land/bubbles/v2/key"
	"charm.land/bubbles/v2/textarea"
	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

const (
	// rowsMax is how many rows of the terminal the input may take. The rest is
	// scrolled to.
	rowsMax = 8

	// widthDefault and heightDefault are of a terminal that does not say its size.
	widthDefault, heightDefault = 80, 24

	// completeTimeout is how long a completion may take, in which typing goes on.
	completeTimeout = time.Second
)

// pasteBytesMax is the longest paste that is shown. A longer one is a word in the
// input, and is sent whole: to draw it anew with each key would take too long.
const pasteBytesMax = 8 << 10

// tabSign stands for a tab while a text is edited: the editor would make four spaces
// of it, and a message must be what was pasted.
const tabSign = "␉"

// Completion says what could stand in place of a word.
type Completion struct {
	Start int      // where in the text the word begins, in bytes
	Words []string // each may replace the text between Start and the cursor
}

// editor is the state of the input, without any I/O: a model of Bubble Tea.
type editor struct {
	input    textarea.Model
	colored  bool
	history  *History
	complete func(ctx context.Context, begun string) Completion
	submit   func(text string) // a whole entry; it does not wait
	end      func()            // the person wants no more

	at     int    // the entry that is shown, or one behind the last
	passes bool   // through the history: the last key went to that entry
	draft  string // what was typed before an entry was shown
	pastes []paste
	search *search
	menu   menu
	width  int
	height int
	closed bool
}

// paste is a text that a word in the input stands for.
type paste struct{ word, text string }

// search is a search backwards through the history.
type search struct {
	query string
	at    int // the entry that was found, -1 for none
}

// menu is what a completion offers.
type menu struct {
	words []string
	start int // in bytes of the text
	at    int // the chosen word, -1 for none
}

// completed is the message that a completion is there, if text is still what it was
// asked for.
type completed struct {
	text string
	with Completion
}

// closing is the message to draw no more and end.
type closing struct{}

// renamed is the message that the prompt is another.
type renamed string

func newEditor(o Options, submit func(string), end func()) *editor {
	input := textarea.New()
	input.ShowLineNumbers = false
	input.CharLimit = 0
	input.DynamicHeight = true
	input.MinHeight, input.MaxHeight, input.MaxContentHeight = 1, rowsMax, 1<<20
	input.SetHeight(1)
	input.EndOfBufferCharacter = ' '
	input.SetVirtualCursor(false)
	input.SetStyles(textarea.Styles{}) // the colours of the terminal
	keys := &input.KeyMap
	keys.InsertNewline = key.NewBinding(key.WithKeys("alt+enter", "ctrl+j", "shift+enter"))
	keys.Paste.SetEnabled(false) // the terminal pastes; reading the clipboard would start programs
	keys.CopySelection.SetEnabled(false)
	keys.PageUp.SetEnabled(false)
	keys.PageDown.SetEnabled(false)
	input.Focus()
	h := o.History
	if h == nil {
		h = &History{}
	}
	e := &editor{input: input, colored: o.Color, history: h, complete: o.Complete, submit: submit, end: end, at: len(h.entries), menu: menu{at: -1}, width: widthDefault, height: heightDefault}
	e.rename(o.Prompt)
	return e
}

func (e *editor) rename(name string) {
	width := ansi.StringWidth(name)
	e.input.SetPromptFunc(width, func(p textarea.PromptInfo) string {
		if p.LineNumber == 0 && e.colored {
			return ansi.SGR(ansi.AttrBold) + name + ansi.ResetStyle
		}
		if p.LineNumber == 0 {
			return name
		}
		return strings.Repeat(" ", width)
	})
	e.input.SetWidth(e.width)
}

func (e *editor) Init() tea.Cmd { return nil }

// value is what has been typed.
func (e *editor) value() string {
	text := strings.ReplaceAll(e.input.Value(), tabSign, "\t")
	for _, p := range e.pastes {
		text = strings.ReplaceAll(text, p.word, p.text)
	}
	return text
}

// shown is text as it stands in the input.
func (e *editor) shown(text string) string {
	if len(text) <= pasteBytesMax {
		return strings.ReplaceAll(text, "\t", tabSign)
	}
	word := fmt.Sprintf("⟦paste %d: %d bytes⟧", len(e.pastes)+1, len(text))
	e.pastes = append(e.pastes, paste{word, text})
	return word
}

// show puts text in place of what has been typed, with the cursor behind it.
func (e *editor) show(text string) {
	e.input.SetValue(e.shown(text))
	e.input.MoveToEnd()
	e.input, _ = e.input.Update(nil) // it computes its height
}

func (e *editor) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case closing:
		e.closed = true
		return e, tea.Quit
	case renamed:
		e.rename(string(msg))
		return e, nil
	case tea.WindowSizeMsg:
		if msg.Width <= 0 || msg.Height <= 0 {
			return e, nil // what has no size has that of the beginning
		}
		e.width, e.height = msg.Width, msg.Height
		e.input.MaxHeight = max(1, min(rowsMax, msg.Height-2))
		e.input.SetWidth(e.width)
		e.input, _ = e.input.Update(nil)
		return e, nil
	case completed:
		if msg.text == e.value() {
			e.offer(msg.with)
		}
		return e, nil
	case tea.PasteMsg:
		e.leaveSearch()
		e.menu = menu{at: -1}
		msg.Content = e.shown(lineEnds.Replace(msg.Content))
		var cmd tea.Cmd
		e.input, cmd = e.input.Update(msg)
		return e, cmd
	case tea.KeyPressMsg:
		return e, e.press(msg)
	}
	var cmd tea.Cmd
	e.input, cmd = e.input.Update(msg)
	return e, cmd
}

// lineEnds are those of other systems, and of terminals.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// press is one key.
func (e *editor) press(k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	if e.search != nil && e.pressInSearch(k) {
		return nil
	}
	if name != "tab" && name != "shift+tab" {
		e.menu = menu{at: -1}
	}
	passes := e.passes // through entries of several lines, too
	e.passes = false
	switch name {
	case "enter":
		e.accept()
		return nil
	case "ctrl+c":
		if e.input.Value() == "" {
			e.end()
		}
		e.clear()
		return nil
	case "ctrl+d":
		if e.input.Value() == "" {
			e.end()
			return nil
		}
	case "ctrl+l":
		return tea.ClearScreen
	case "ctrl+z":
		return tea.Suspend
	case "ctrl+r":
		e.search = &search{at: -1}
		return nil
	case "tab":
		return e.tab(1)
	case "shift+tab":
		return e.tab(-1)
	case "up", "ctrl+p":
		if passes || e.input.Line() == 0 && e.input.LineInfo().RowOffset == 0 {
			e.recall(-1)
			return nil
		}
	case "down", "ctrl+n":
		if info := e.input.LineInfo(); passes || e.input.Line() == e.input.LineCount()-1 && info.RowOffset == info.Height-1 {
			e.recall(1)
			return nil
		}
	}
	var cmd tea.Cmd
	e.input, cmd = e.input.Update(k)
	return cmd
}

func (e *editor) clear() {
	e.show("")
	e.at, e.draft, e.pastes = len(e.history.entries), "", nil
}

// accept hands over what has been typed.
func (e *editor) accept() {
	text := e.value()
	e.clear()
	e.submit(text)
	e.at = len(e.history.entries) // submit may have added it
}

// recall shows the entry before or behind the present one.
func (e *editor) recall(step int) {
	last := len(e.history.entries)
	to := e.at + step
	if to < 0 || to > last {
		return
	}
	if e.at == last {
		e.draft = e.value()
	}
	e.at, e.passes = to, true
	if to == last {
		e.show(e.draft)
		return
	}
	e.show(e.history.entries[to])
}

// pressInSearch reports whether the key was one of the search.
func (e *editor) pressInSearch(k tea.KeyPressMsg) bool {
	s := e.search
	switch name := k.String(); {
	case name == "ctrl+r":
		e.find(s.at - 1)
	case name == "backspace":
		if runes := []rune(s.query); len(runes) > 0 {
			s.query = string(runes[:len(runes)-1])
		}
		e.find(len(e.history.entries) - 1)
	case name == "esc", name == "ctrl+g", name == "ctrl+c":
		e.search = nil
	case k.Text != "":
		s.query += k.Text
		from := s.at
		if from < 0 {
			from = len(e.history.entries) - 1
		}
		e.find(from)
	default: // a key of the editor, and what was found is what it edits
		e.leaveSearch()
		return false
	}
	return true
}

// find looks for the query from an entry backwards.
func (e *editor) find(from int) {
	if e.search.query == "" {
		e.search.at = -1
		return
	}
	for i := min(from, len(e.history.entries)-1); i >= 0; i-- {
		if strings.Contains(e.history.entries[i], e.search.query) {
			e.search.at = i
			return
		}
	}
}

// leaveSearch shows what was found in the input.
func (e *editor) leaveSearch() {
	if e.search != nil && e.search.at >= 0 {
		e.at = e.search.at
		e.show(e.history.entries[e.at])
	}
	e.search = nil
}

// View is what the terminal shows below what was printed.
func (e *editor) View() tea.View {
	if e.closed {
		return tea.NewView("")
	}
	if e.search != nil {
		found := ""
		if e.search.at >= 0 {
			found = strings.ReplaceAll(strings.ReplaceAll(e.history.entries[e.search.at], "\n", "⏎"), "\t", tabSign)
		}
		label := "search: " + e.search.query
		v := tea.NewView(firstCells(label+" → "+found, e.width))
		v.Cursor = tea.NewCursor(min(ansi.StringWidth(label), e.width-1), 0)
		return v
	}
	text := e.input.View()
	if line := e.menu.line(e.width); line != "" {
		text += "\n" + line
	}
	v := tea.NewView(text)
	v.Cursor = e.input.Cursor()
	return v
}

// rows is how many rows View takes.
func (e *editor) rows() int {
	n := 1
	if e.search == nil {
		n = e.input.Height()
		if e.menu.line(e.width) != "" {
			n++
		}
	}
	return n
}
