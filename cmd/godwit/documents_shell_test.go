package main

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// shell reads a script without running it: its syntax, and every command line of godwit, whose
// flags and arguments have to exist.
func shell(text string) error {
	program, err := exec.LookPath("sh")
	if err != nil {
		return nil // not where there is none, which is Windows
	}
	cmd := exec.Command(program, "-n")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s%s", out, text)
	}
	lines, err := commands(text)
	if err != nil {
		return err
	}
	for _, words := range lines {
		args, is := ofGodwit(words)
		if !is {
			continue
		}
		if err := understood(args); err != nil {
			return fmt.Errorf("godwit %s: %w", strings.Join(args, " "), err)
		}
	}
	return nil
}

// console reads what was typed behind "$ "; the rest is what was printed.
func console(text string) error {
	typed := ""
	for line := range strings.Lines(text) {
		if command, is := strings.CutPrefix(line, "$ "); is {
			typed += command
		}
	}
	if typed == "" {
		return errors.New(`no line begins with "$ "`)
	}
	return shell(typed)
}

// ofGodwit returns the arguments of a command line of godwit, however it is started.
func ofGodwit(words []string) ([]string, bool) {
	for len(words) > 0 {
		if words[0] == "godwit" || strings.HasSuffix(words[0], "/godwit") && !strings.Contains(words[0], ":") {
			return words[1:], true
		}
		if len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/godwit" {
			return words[3:], true
		}
		if !assignment.MatchString(words[0]) && words[0] != "exec" && words[0] != "sudo" && words[0] != "if" && words[0] != "!" {
			return nil, false
		}
		words = words[1:]
	}
	return nil, false
}

var assignment = regexp.MustCompile(`^\w+=`)

// understood reports the faults of a command line, by the parser of the program itself.
func understood(args []string) error {
	root := newRoot()
	cmd, rest, err := root.Find(args)
	if err != nil {
		return err
	}
	cmd.InitDefaultHelpFlag()
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if help, _ := cmd.Flags().GetBool("help"); help {
		return nil
	}
	if cmd == root && len(cmd.Flags().Args()) > 0 {
		return fmt.Errorf("there is no command %q", cmd.Flags().Arg(0))
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// commands splits a script into its simple commands, and those into words without their quotes: what is in
// $(…) is a command too. It knows as much of the shell as the pages use, and fails at the rest.
func commands(text string) (lines [][]string, err error) {
	var words []string
	var word []byte
	inWord := false
	endWord := func() {
		if inWord {
			words = append(words, string(word))
		}
		word, inWord = nil, false
	}
	end := func() {
		endWord()
		if len(words) > 0 {
			lines = append(lines, words)
		}
		words = nil
	}
	here := ""
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			if i++; i < len(text) && text[i] != '\n' {
				word, inWord = append(word, text[i]), true
			}
		case '\'':
			n := strings.IndexByte(text[i+1:], '\'')
			if n < 0 {
				return nil, errors.New("a quote does not end")
			}
			word, inWord = append(word, text[i+1:i+1+n]...), true
			i += n + 1
		case '"':
			n, inner, err := quoted(text[i+1:])
			if err != nil {
				return nil, err
			}
			word, inWord = append(word, text[i+1:i+1+n]...), true
			lines = append(lines, inner...)
			i += n + 1
		case '$':
			if !strings.HasPrefix(text[i:], "$(") {
				word, inWord = append(word, c), true
				continue
			}
			n, inner, err := substituted(text[i+2:])
			if err != nil {
				return nil, err
			}
			word, inWord = append(word, "$()"...), true
			lines = append(lines, inner...)
			i += n + 2
		case ' ', '\t':
			endWord()
		case '#':
			if inWord {
				word = append(word, c)
				continue
			}
			for i+1 < len(text) && text[i+1] != '\n' {
				i++
			}
		case '<':
			if strings.HasPrefix(text[i:], "<<") {
				rest, _, _ := strings.Cut(text[i+2:], "\n")
				here = strings.Trim(strings.Fields(rest)[0], `-'"`)
			}
			endWord()
			i = afterRedirection(text, i)
		case '>':
			if inWord && len(word) == 1 && word[0] >= '0' && word[0] <= '9' {
				word, inWord = nil, false // the number of a descriptor
			}
			endWord()
			i = afterRedirection(text, i)
		case '\n':
			end()
			if here != "" {
				_, after, ok := strings.Cut(text[i:], "\n"+here+"\n")
				if !ok {
					return nil, fmt.Errorf("no line %s ends the text", here)
				}
				i, here = len(text)-len(after)-1, ""
			}
		case ';', '|', '&', '(', ')', '{', '}':
			if c == '{' || c == '}' {
				if inWord || i+1 < len(text) && text[i+1] != ' ' && text[i+1] != '\n' {
					word, inWord = append(word, c), true // of ${x} or {a,b}
					continue
				}
			}
			end()
		default:
			word, inWord = append(word, c), true
		}
	}
	end()
	return lines, nil
}

// afterRedirection is the last byte of the file's name that follows < or >.
func afterRedirection(text string, i int) int {
	for i+1 < len(text) && strings.IndexByte("<>&- ", text[i+1]) >= 0 {
		i++
	}
	for i+1 < len(text) && strings.IndexByte(" \t\n;|&)", text[i+1]) < 0 {
		i++
	}
	return i
}

// quoted returns how long a text is that ends with ", and the commands in it.
func quoted(text string) (n int, inner [][]string, err error) {
	for n < len(text) {
		switch {
		case text[n] == '"':
			return n, inner, nil
		case text[n] == '\\':
			n += 2
		case strings.HasPrefix(text[n:], "$("):
			m, more, err := substituted(text[n+2:])
			if err != nil {
				return 0, nil, err
			}
			inner = append(inner, more...)
			n += m + 3
		default:
			n++
		}
	}
	return 0, nil, errors.New("a double quote does not end")
}

// substituted returns how long a text is that ends with the ) of $(, and the commands in it.
func substituted(text string) (n int, inner [][]string, err error) {
	depth := 1
	var quote byte
	for n = range len(text) {
		switch c := text[n]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 {
				inner, err = commands(text[:n])
				return n, inner, err
			}
		}
	}
	return 0, nil, errors.New("a $( does not end")
}

// What the splitter makes of what pages have.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"godwit serve   # a comment\n", "godwit,serve"},
		{"a 'b c' \"d $e\" f\\ g", "a,b c,d $e,f g"},
		{"a \\\n  b\nc", "a,b;c"},
		{"a | b && c; d &\ne", "a;b;c;d;e"},
		{"x=$(godwit token make --user ann | head -1) y", "godwit,token,make,--user,ann;head,-1;x=$(),y"},
		{"echo \"T=$(openssl rand -hex 32)\" >> /etc/x", "openssl,rand,-hex,32;echo,T=$(openssl rand -hex 32)"},
		{"(umask 077; godwit key new shop | tee k)", "umask,077;godwit,key,new,shop;tee,k"},
		{"a 2>&1 >out.txt b <in", "a,b"},
		{"cat > f <<'EOF'\nkey: $(no)\nEOF\ngodwit version\n", "cat;godwit,version"},
		{"a#b ${x} {\"k\":1}", "a#b,${x},{k:1}"},
	} {
		lines, err := commands(c.text)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
		}
		var got []string
		for _, words := range lines {
			got = append(got, strings.Join(words, ","))
		}
		if got := strings.Join(got, ";"); got != c.want {
			t.Errorf("%q: %s, want %s", c.text, got, c.want)
		}
	}
	for _, text := range []string{"a 'b", `a "b`, "a $(b", "cat <<X\na\n"} {
		if lines, err := commands(text); err == nil {
			t.Errorf("%q: %q", text, lines)
		}
	}
}

// The checkers see what is wrong.
func TestCheckersFail(t *testing.T) {
	t.Parallel()
	for language, texts := range map[string][]string{
		"js":      {"const = 1", "await fetch("},
		"ts":      {"let x: = 1"},
		"tsx":     {"const a = <b>"},
		"html":    {"<script>let let</script>", "<ul><li>a"},
		"json":    {`{"a":}`, `{"a":1} x`},
		"yaml":    {"listne: 127.0.0.1:8000\n", "history: {count: many}\n"},
		"sh":      {"if true", "godwit serve --lisen 127.0.0.1:8000", "godwit srve", "x=$(godwit token mkae)", "go run ./cmd/godwit bench echo ws://a/ --nothing", "godwit sub", "sudo godwit version now"},
		"console": {"godwit serve", "$ godwit serve --no-such"},
		"text":    {"hello", "→ {", "← nothing"},
		"ini":     {"what is this"},
	} {
		for _, text := range texts {
			if err := checkers[language](t, &fenced{text: text}); err == nil {
				t.Errorf("%s: nothing is wrong with %q", language, text)
			}
		}
	}
	if !bytes.Contains([]byte(fmt.Sprint(shell("godwit serve --lisen x"))), []byte("lisen")) {
		t.Error("the error does not say which flag there is not")
	}
}
