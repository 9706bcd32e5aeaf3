package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"

	"github.com/godwit-io/godwit/internal/redact"
)

const (
	historyDefaultText = "godwit/dial-history in $XDG_STATE_HOME or ~/.local/state"
	historyNone        = "none"
)

// historyPath is the file that has the history, "" for none.
func historyPath(flag string) string {
	switch flag {
	case historyNone:
		return ""
	case "":
	default:
		return flag
	}
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) { // the specification says to ignore it
		if runtime.GOOS == "windows" {
			dir = os.Getenv("LOCALAPPDATA")
		} else if home, err := os.UserHomeDir(); err == nil {
			dir = filepath.Join(home, ".local", "state")
		}
	}
	if !filepath.IsAbs(dir) {
		return ""
	}
	return filepath.Join(dir, "godwit", "dial-history")
}

var (
	// valueNames finds what stands before a value: "name": or name=.
	valueNames = regexp.MustCompile(`([A-Za-z0-9_.-]+)["']?\s*[:=]`)

	// plainSecrets finds secrets without a name: a JSON web token, the content of an
	// Authorization field, and the words that take a token.
	plainSecrets = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.|(?i)\b(bearer|basic)\s+\S|^\s*(connect|refresh)\s+\S`)
)

// isForHistory reports whether a line may be written to a file: it has nothing that
// looks like a secret, and does not begin with a space.
func isForHistory(line string) bool {
	if strings.HasPrefix(line, " ") || plainSecrets.MatchString(line) {
		return false
	}
	for _, m := range valueNames.FindAllStringSubmatch(line, -1) {
		if redact.IsSecretName(m[1]) {
			return false
		}
	}
	return true
}
