package server

import (
	"regexp"
	"runtime"
	"runtime/debug"
	"sync"
)

// Build says what program this is.
type Build struct {
	Version  string `json:"version"`            // of the module, "(devel)" when built from a checkout
	Revision string `json:"revision,omitempty"` // of the source
	Time     string `json:"time,omitempty"`     // of the revision, RFC 3339
	Modified bool   `json:"modified,omitempty"` // the source was not as in the revision
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

var (
	released      = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)
	pseudoVersion = regexp.MustCompile(`^v\d+\.\d+\.\d+-(?:[0-9A-Za-z.-]+\.)?\d{14}-([0-9a-f]{12})$`) // of a revision without a tag
)

// codeHost has the source of every version.
const codeHost = "https://github.com/godwit-io/godwit/blob/"

// Source is the address below which the files that the program was made of can be read:
// those of a release or of a revision, or where it was neither the newest ones.
func (b Build) Source() string {
	at := "main"
	if pseudo := pseudoVersion.FindStringSubmatch(b.Version); pseudo != nil {
		at = pseudo[1]
	} else if released.MatchString(b.Version) {
		at = b.Version
	} else if b.Revision != "" && !b.Modified {
		at = b.Revision
	}
	return codeHost + at + "/"
}

// ThisBuild is what the Go command wrote into the running program.
var ThisBuild = sync.OnceValue(func() Build {
	b := Build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
})
