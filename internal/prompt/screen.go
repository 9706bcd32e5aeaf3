package prompt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// pendingBytesMax is how much Print leaves waiting for a slow terminal.
const pendingBytesMax = 256 << 10

// Options are those of a Screen.
type Options struct {
	// In and Out are the terminal.
	In, Out *os.File

	// Prompt stands before the input. Default none.
	Prompt string

	// Color marks the prompt. Default no.
	Color bool

	// History is what the arrow keys and Ctrl-R find, and where what was typed is
	// added. Default: a new one, which is forgotten with the Screen.
	History *History

	// Complete says how begun, the text up to the cursor at its end, may go on. It
	// may wait until ctx ends. Default none.
	Complete func(ctx context.Context, begun string) Completion
}

// Screen is a terminal with an input below the output. Its methods are safe
// for concurrent use.
type Screen struct {
	history *History
	program *tea.Program
	editor  *editor // of the program's goroutine

	mu      sync.Mutex
	changed sync.Cond // of mu
	typed   []string
	pending []string // what Print was given
	bytes   int      // of pending
	width   int
	height  int // rows that are free for output
	closed  bool
	err     error

	ended chan struct{} // closed when the person wants no more, or the terminal is gone
	once  sync.Once     // of ended

	printing sync.WaitGroup
	running  sync.WaitGroup
}

// Open takes the terminal over, until Close.
func Open(o Options) *Screen {
	s := &Screen{ended: make(chan struct{}), width: widthDefault, height: heightDefault - 1, history: o.History}
	if s.history == nil {
		s.history = &History{}
	}
	o.History = s.history
	s.changed.L = &s.mu
	s.editor = newEditor(o, s.submitted, s.end)
	s.program = tea.NewProgram(&sized{editor: s.editor, screen: s}, tea.WithInput(o.In), tea.WithOutput(o.Out), tea.WithoutSignalHandler())
	s.running.Go(func() {
		_, err := s.program.Run()
		s.end()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.closed = true
		if err != nil {
			s.err = err
		}
		s.changed.Broadcast()
	})
	s.printing.Go(s.printLoop)
	return s
}

// sized is the editor, and tells the screen how much of it is left.
type sized struct {
	*editor
	screen  *Screen
	updates uint32
}

// View differs after each message from the one before, if only by a colour in which
// nothing is written: Bubble Tea leaves the cursor at the beginning of the line when it
// has printed above it, unless something is to be drawn.
func (m *sized) View() tea.View {
	v := m.editor.View()
	if n := m.updates; v.Content != "" {
		v.Content += fmt.Sprintf("\x1b[38;2;%d;%d;%dm\x1b[m", n>>16&255, n>>8&255, n&255)
	}
	return v
}

func (m *sized) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.updates++
	_, cmd := m.editor.Update(msg)
	m.screen.resized(m.width, m.height-m.rows())
	return m, cmd
}

func (s *Screen) resized(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.width, s.height = max(1, width), max(1, height)
}

// submitted is called by the program with what was typed.
func (s *Screen) submitted(text string) {
	if err := s.history.Add(text); err != nil {
		s.mu.Lock()
		s.err = err
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.typed = append(s.typed, text)
	s.changed.Broadcast()
}

func (s *Screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.once.Do(func() { close(s.ended) })
	s.changed.Broadcast()
}

// Ended is closed after Ctrl-D, after Ctrl-C where nothing is typed, and when the
// terminal is gone. What was typed before can still be read.
func (s *Screen) Ended() <-chan struct{} { return s.ended }

// ReadLine returns what was typed, which may be several lines, without the line end
// at its end. It returns io.EOF after Ctrl-D, and after Ctrl-C where nothing is typed.
func (s *Screen) ReadLine() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.typed) == 0 {
		select {
		case <-s.ended:
			return "", io.EOF
		default:
			s.changed.Wait()
		}
	}
	text := s.typed[0]
	s.typed = s.typed[1:]
	return text, nil
}

// Print prints lines above the input. It waits for a terminal that is slow, and
// does nothing after Close. Text may have styles, and must be harmless otherwise.
func (s *Screen) Print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.bytes > pendingBytesMax && !s.closed {
		s.changed.Wait()
	}
	if s.closed {
		return
	}
	s.pending = append(s.pending, text)
	s.bytes += len(text)
	s.changed.Broadcast()
}

// SetPrompt changes what stands before the input.
func (s *Screen) SetPrompt(prompt string) { s.program.Send(renamed(prompt)) }

// Close prints what waits, gives the terminal back as it was, and returns why the
// history could not be written or the terminal not be used, if that was so.
func (s *Screen) Close() error {
	s.mu.Lock()
	s.closed = true
	s.changed.Broadcast()
	s.mu.Unlock()
	s.printing.Wait()
	s.program.Send(closing{})
	s.running.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if errors.Is(s.err, tea.ErrProgramKilled) {
		return errors.New("the terminal cannot be used")
	}
	return s.err
}

// printLoop hands what Print was given to the program, as much at a time as there is.
func (s *Screen) printLoop() {
	for {
		s.mu.Lock()
		for len(s.pending) == 0 && !s.closed {
			s.changed.Wait()
		}
		if len(s.pending) == 0 {
			s.mu.Unlock()
			return
		}
		lines, width, height := s.pending, s.width, s.height
		s.pending, s.bytes = nil, 0
		s.changed.Broadcast()
		s.mu.Unlock()
		for _, part := range portions(lines, width, height) {
			s.program.Println(part)
		}
	}
}

// portions are the lines of texts, broken at width, as often as there are height of
// them: a text longer than the screen would push the input out of it. Each row ends
// in the style of nothing, as the input is drawn between any two.
func portions(texts []string, width, height int) (parts []string) {
	var rows []string
	for _, text := range texts {
		text = strings.ReplaceAll(text, "\t", "    ")
		rows = append(rows, selfContained(strings.Split(ansi.Hardwrap(text, width, true), "\n"))...)
	}
	for len(rows) > 0 {
		n := min(height, len(rows))
		part := strings.Join(rows[:n], "\n")
		if part == "" {
			part = " " // an empty text is not printed
		}
		parts = append(parts, part)
		rows = rows[n:]
	}
	return parts
}

// styleEnd ends all styles (SGR 0).
const styleEnd = "\x1b[0m"

// selfContained ends at the end of each row the style that goes on in the next, where
// it begins again.
func selfContained(rows []string) []string {
	open := ""
	for i, row := range rows {
		row = open + row
		if at := strings.LastIndex(row, "\x1b["); at >= 0 {
			open = ""
			if style := row[at:]; !strings.HasPrefix(style, styleEnd) {
				open = style[:strings.IndexByte(style, 'm')+1]
				row += styleEnd
			}
		}
		rows[i] = row
	}
	return rows
}
