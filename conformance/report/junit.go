package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/godwit-io/godwit/conformance"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// JUnit writes r as JUnit XML, as CI systems read it. A failure is a failure and
// unsupported cases are skipped. Non-strict and informational cases pass,
// with the detail as its output.
func JUnit(w io.Writer, r *conformance.Report) error {
	all, groups := Summarize(r)
	doc := junitSuites{
		Name: "godwit conform " + r.Role.String() + " " + r.Target, Tests: all.Total,
		Failures: all.Fail, Skipped: all.Unsupported, Time: seconds(r.Duration),
	}
	for _, g := range groups {
		suite := junitSuite{Name: g.Name, Tests: g.Total, Failures: g.Fail, Skipped: g.Unsupported, Timestamp: r.Started.UTC().Format("2006-01-02T15:04:05")}
		var took time.Duration
		for i := range r.Results {
			if c := &r.Results[i]; c.Group == g.Name {
				took += c.Duration
				suite.Cases = append(suite.Cases, junitOf(c))
			}
		}
		suite.Time = seconds(took)
		doc.Suites = append(doc.Suites, suite)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitOf(c *conformance.Result) junitCase {
	_, name, _ := strings.Cut(c.ID, "/")
	j := junitCase{Class: c.Group, Name: name, Time: seconds(c.Duration)}
	switch c.Verdict {
	case conformance.Fail:
		j.Failure = &junitMessage{c.Detail, c.Checks + " (" + c.Section + ")\n\n" + Log(c.Log)}
	case conformance.Unsupported:
		j.Skipped = &junitMessage{Message: c.Detail}
	case conformance.NonStrict:
		j.Output = "non-strict: " + c.Detail + "\n" + c.Checks + " (" + c.Section + ")\n\n" + Log(c.Log)
	case conformance.Informational:
		j.Output = "informational: " + c.Detail
	}
	return j
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// Log shows a wire log as text, an entry a line.
func Log(entries []conformance.Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%8.1f ms  %s ", float64(e.At)/float64(time.Millisecond), arrow(e.From))
		if f := e.Frame; f != nil {
			fmt.Fprintf(&b, "%s\n", strings.Join(append(annotate(f), "["+f.Header+"]", f.Payload), " "))
			continue
		}
		b.WriteString(strings.ReplaceAll(e.Text, "\n", "\n"+strings.Repeat(" ", 15)) + "\n")
	}
	return b.String()
}

func arrow(from string) string {
	switch from {
	case "suite":
		return "→"
	case "peer":
		return "←"
	}
	return "·"
}

// annotate says what a frame's header says.
func annotate(f *conformance.FrameEntry) []string {
	words := []string{f.Opcode}
	if f.Fin {
		words = append(words, "FIN")
	}
	for i, bit := range []uint8{4, 2, 1} {
		if f.RSV&bit != 0 {
			words = append(words, fmt.Sprint("RSV", i+1))
		}
	}
	if f.Masked {
		words = append(words, "mask="+f.Mask)
	}
	words = append(words, fmt.Sprint("length=", f.Length))
	if f.Meaning != "" {
		words = append(words, f.Meaning)
	}
	return words
}
