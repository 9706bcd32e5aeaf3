package prompt

import (
	"context"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// tab asks for a completion of what stands before the cursor, or if one is offered
// goes to the next word of it, or the one before.
func (e *editor) tab(step int) tea.Cmd {
	if n := len(e.menu.words); n > 0 {
		switch {
		case e.menu.at >= 0:
			e.menu.at = (e.menu.at + step + n) % n
		case step < 0:
			e.menu.at = n - 1
		default:
			e.menu.at = 0
		}
		e.show(e.value()[:e.menu.start] + e.menu.words[e.menu.at])
		return nil
	}
	text := e.value()
	if e.complete == nil || len(e.pastes) > 0 || !e.isAtEnd() {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		return completed{text, e.complete(ctx, text)}
	}
}

// isAtEnd reports whether the cursor stands behind the last character.
func (e *editor) isAtEnd() bool {
	lines := strings.Split(e.input.Value(), "\n")
	return e.input.Line() == len(lines)-1 && e.input.Column() == len([]rune(lines[len(lines)-1]))
}

// offer puts in what all words begin with, and shows them if there are several.
func (e *editor) offer(c Completion) {
	text := e.value()
	if len(c.Words) == 0 || c.Start < 0 || c.Start > len(text) {
		return
	}
	if common := commonPrefix(c.Words); len(c.Words) == 1 || len(common) > len(text)-c.Start {
		e.show(text[:c.Start] + common)
	}
	if len(c.Words) > 1 {
		e.menu = menu{words: slices.Clone(c.Words), start: c.Start, at: -1}
	}
}

func commonPrefix(words []string) string {
	common := []rune(words[0])
	for _, w := range words[1:] {
		n := 0
		for _, r := range w {
			if n == len(common) || common[n] != r {
				break
			}
			n++
		}
		common = common[:n]
	}
	return string(common)
}

// line shows the words from the chosen one on, as far as width goes.
func (m *menu) line(width int) string {
	if len(m.words) == 0 {
		return ""
	}
	shown := make([]string, 0, len(m.words))
	for i := max(m.at, 0); i < len(m.words); i++ {
		shown = append(shown, strings.TrimRight(m.words[i], " "))
	}
	return firstCells("  "+strings.Join(shown, "  "), width)
}

// firstCells is text, cut with an ellipsis if it takes more than width cells.
func firstCells(text string, width int) string { return ansi.Truncate(text, max(1, width), "…") }
