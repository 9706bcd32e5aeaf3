package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/conformance"
	"github.com/godwit-io/godwit/conformance/report"
)

const hostile = `<script>alert("x")</script> & \x1b ]]> -->`

// sample is a report with every verdict, and text that would like to be more
// than text.
func sample() *conformance.Report {
	log := []conformance.Entry{
		{At: time.Millisecond, From: "suite", Text: "GET / HTTP/1.1\nHost: example"},
		{At: 2 * time.Millisecond, From: "suite", Frame: &conformance.FrameEntry{
			Fin: true, RSV: 5, Opcode: "text", Masked: true, Mask: "01020304", Length: 5, Header: "d1 85 01 02 03 04", Payload: `"hello"`}},
		{At: 3 * time.Millisecond, From: "peer", Frame: &conformance.FrameEntry{
			Fin: true, Opcode: "close", Length: 2, Header: "88 02", Payload: "03 ea", Meaning: "1002 protocol error"}},
		{At: 4 * time.Millisecond, Text: hostile},
	}
	return &conformance.Report{
		Role: conformance.Server, Target: "ws://example/" + hostile, Started: time.Date(2026, 11, 21, 9, 30, 0, 0, time.UTC), Duration: 1234 * time.Millisecond,
		Results: []conformance.Result{
			{ID: "framing/text", Group: "framing", Checks: "a text message is echoed", Section: "RFC 6455 §5.6", Duration: time.Millisecond},
			{ID: "utf8/bad", Group: "utf8", Checks: "bad text is refused", Section: "RFC 6455 §8.1", Verdict: conformance.Fail, Detail: hostile, Log: log, Duration: 2 * time.Millisecond},
			{ID: "utf8/late", Group: "utf8", Checks: "bad text is refused early", Section: "RFC 6455 §8.1", Verdict: conformance.NonStrict, Detail: "late", Log: log},
			{ID: "deflate/text", Group: "deflate", Checks: "compressed text is echoed", Section: "RFC 7692 §7.2", Verdict: conformance.Unsupported, Detail: "declined", Log: log},
			{ID: "origin/foreign", Group: "origin", Checks: "origins are told apart", Section: "RFC 6455 §10.2", Verdict: conformance.Informational, Detail: "any", Log: log},
		},
	}
}

func TestText(t *testing.T) {
	var b strings.Builder
	if err := report.Text(&b, sample()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"FAIL        utf8/bad\n            bad text is refused (RFC 6455 §8.1)\n",
		"NON-STRICT  utf8/late\n",
		"UTF-8                       2      0      1          1      ·      ·\n",
		"all                         5      1      1          1      1      1\n",
		"5 cases against the server ws://example/",
		"in 1.23s: 1 failed, 1 more are not strict.\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "Closing handshake") {
		t.Error("a group without a result is listed")
	}
}

func TestSentence(t *testing.T) {
	r := sample()
	r.Results = r.Results[:1]
	if s := report.Sentence(r); !strings.HasSuffix(s, ": none failed.") {
		t.Errorf("all pass: %q", s)
	}
	r.Interrupted = true
	if s := report.Sentence(r); !strings.HasSuffix(s, "before all cases had run.") {
		t.Errorf("interrupted: %q", s)
	}
	r.Suspects = []string{"framing/text", "framing/binary"}
	if s := report.Sentence(r); !strings.HasSuffix(s, "framing/text, framing/binary.") {
		t.Errorf("gone: %q", s)
	}
	r = sample()
	r.Results = r.Results[2:]
	if s := report.Sentence(r); !strings.HasSuffix(s, ": none failed, 1 are not strict.") {
		t.Errorf("not strict: %q", s)
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := report.JSON(&b, sample()); err != nil {
		t.Fatal(err)
	}
	var d struct {
		Suite  string
		Counts struct {
			Total     int
			NonStrict int `json:"non_strict"`
		}
		conformance.Report
	}
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	want := sample()
	if d.Suite != "godwit conform" || d.Counts.Total != 5 || d.Counts.NonStrict != 1 || d.Role != conformance.Server || d.Target != want.Target || len(d.Results) != 5 {
		t.Fatalf("%+v", d)
	}
	for i, r := range d.Results {
		w := want.Results[i]
		if r.ID != w.ID || r.Verdict != w.Verdict || r.Detail != w.Detail || len(r.Log) != len(w.Log) || r.Duration != w.Duration {
			t.Errorf("%+v came back as %+v", w, r)
		}
		if len(r.Log) > 1 && *r.Log[1].Frame != *w.Log[1].Frame {
			t.Errorf("%+v came back as %+v", w.Log[1].Frame, r.Log[1].Frame)
		}
	}
}

func TestJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := report.JUnit(&b, sample()); err != nil {
		t.Fatal(err)
	}
	type testCase struct {
		Class   string `xml:"classname,attr"`
		Name    string `xml:"name,attr"`
		Failure *struct {
			Message string `xml:"message,attr"`
			Text    string `xml:",chardata"`
		} `xml:"failure"`
		Skipped *struct{} `xml:"skipped"`
		Output  string    `xml:"system-out"`
	}
	var d struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Skipped  int      `xml:"skipped,attr"`
		Suites   []struct {
			Name  string     `xml:"name,attr"`
			Tests int        `xml:"tests,attr"`
			Cases []testCase `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	if d.Tests != 5 || d.Failures != 1 || d.Skipped != 1 || len(d.Suites) != 4 {
		t.Fatalf("%+v", d)
	}
	byName := map[string]testCase{}
	for _, s := range d.Suites {
		for _, c := range s.Cases {
			byName[c.Class+"/"+c.Name] = c
		}
	}
	bad := byName["utf8/bad"]
	if bad.Failure == nil || bad.Failure.Message != hostile || !strings.Contains(bad.Failure.Text, "→ text FIN RSV1 RSV3 mask=01020304 length=5 [d1 85 01 02 03 04] \"hello\"") {
		t.Errorf("the failure is %+v", bad.Failure)
	}
	if c := byName["utf8/late"]; c.Failure != nil || !strings.HasPrefix(c.Output, "non-strict: late") {
		t.Errorf("not strict is %+v", c)
	}
	if c := byName["deflate/text"]; c.Skipped == nil {
		t.Errorf("unsupported is %+v", c)
	}
	if c := byName["framing/text"]; c.Failure != nil || c.Skipped != nil || c.Output != "" {
		t.Errorf("a pass is %+v", c)
	}
}

func TestHTML(t *testing.T) {
	var b bytes.Buffer
	if err := report.HTML(&b, sample()); err != nil {
		t.Fatal(err)
	}
	page := b.String()
	if strings.Contains(page, hostile) || strings.Contains(page, "<script>alert") || strings.Count(page, "<script") != 1 {
		t.Error("text of the peer became part of the page")
	}
	if at := regexp.MustCompile(`(?i)(src|href)\s*=\s*"[^#"]|@import|url\(`).FindString(page); at != "" {
		t.Errorf("the page needs something from elsewhere: %q", at)
	}
	for _, want := range []string{
		`data-verdict="fail"`, `<span class="chip rsv">RSV1</span><span class="chip rsv">RSV3</span>`, "mask 01020304", "1002 protocol error",
		`<details class="group" id="utf8" open>`, `<details class="group" id="framing">`, `value="pass">pass 1`, `value="fail" checked>fail 1`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	// With nothing to see but passes, passes are shown.
	r := sample()
	r.Results = r.Results[:1]
	b.Reset()
	if err := report.HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `value="pass" checked>pass 1`) {
		t.Error("passes are hidden though there is nothing else")
	}
}

// TestWriteErrors wants every form to report that it could not be written.
func TestWriteErrors(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *conformance.Report) error{
		"text": report.Text, "json": report.JSON, "junit": report.JUnit, "html": report.HTML,
	} {
		if err := write(full{}, sample()); !errors.Is(err, errFull) {
			t.Errorf("%s: the error is %v", name, err)
		}
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
