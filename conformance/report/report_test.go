package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
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

// Failures come before non-strict cases, under headings that count them, and
// the last line names them again, below however much there is.
func TestText(t *testing.T) {
	r := sample()
	// Among many that are not strict, before and behind.
	for i := range 40 {
		late := r.Results[2]
		late.ID = fmt.Sprint("utf8/late-", i)
		r.Results = append(r.Results, late)
	}
	r.Results = append(r.Results, r.Results[1])
	r.Results[len(r.Results)-1].ID = "utf8/worse"
	r.Results[1], r.Results[2] = r.Results[2], r.Results[1]
	var b strings.Builder
	if err := report.Text(&b, r); err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, want := range []string{
		"2 OF 46 CASES FAILED\n\n",
		"FAIL        utf8/bad\n            bad text is refused (RFC 6455 §8.1)\n",
		"FAIL        utf8/worse\n",
		"\n41 NOT STRICT, which is no failure\n\n",
		"NON-STRICT  utf8/late\n",
		"NON-STRICT  utf8/late-39\n",
		"UTF-8                      43      0      2         41      ·      ·\n",
		"all                        46      1      2         41      1      1\n",
		"46 cases against the server ws://example/",
		"in 1.23s: 2 failed, 41 not strict, 1 unsupported, 1 informational, 1 passed.\n",
		"Failed: utf8/bad, utf8/worse.\n",
	} {
		i := strings.Index(b.String(), want)
		if i < 0 || strings.Count(b.String(), want) > 1 && !strings.HasPrefix(want, "NON") {
			t.Fatalf("%q is missing, or there twice, in\n%s", want, b.String())
		}
		if i < at {
			t.Errorf("%q comes too early in\n%s", want, b.String())
		}
		at = i
	}
	if strings.LastIndex(b.String(), "FAIL  ") > strings.Index(b.String(), "NON-STRICT") {
		t.Errorf("a failure is behind what is not strict:\n%s", b.String())
	}
	if strings.Contains(b.String(), "Closing handshake") {
		t.Error("a group without a result is listed")
	}

	// Of very many failures the last line names the first.
	r = sample()
	for i := range 30 {
		bad := r.Results[1]
		bad.ID = fmt.Sprint("utf8/bad-", i)
		r.Results = append(r.Results, bad)
	}
	b.Reset()
	if err := report.Text(&b, r); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(b.String(), "\nFailed: utf8/bad, utf8/bad-0, utf8/bad-1, utf8/bad-2, utf8/bad-3, utf8/bad-4, utf8/bad-5, utf8/bad-6, utf8/bad-7, utf8/bad-8 and 21 more.\n") {
		t.Errorf("%s", b.String())
	}

	// With nothing to say, no heading says it.
	r = sample()
	r.Results = r.Results[:1]
	b.Reset()
	if err := report.Text(&b, r); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.Contains(text, "FAIL") || strings.Contains(text, "STRICT") || strings.Contains(text, "Failed") || !strings.HasSuffix(text, ": none failed, 1 passed.\n") {
		t.Errorf("%s", text)
	}
}

func TestSentence(t *testing.T) {
	r := sample()
	r.Results = r.Results[:1]
	if s := report.Sentence(r); !strings.HasSuffix(s, ": none failed, 1 passed.") || !strings.HasPrefix(s, "1 case against the server ") {
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
	if s := report.Sentence(r); !strings.HasSuffix(s, ": none failed, 1 not strict, 1 unsupported, 1 informational.") {
		t.Errorf("not strict: %q", s)
	}
	if s := report.Sentence(sample()); !strings.HasSuffix(s, ": 1 failed, 1 not strict, 1 unsupported, 1 informational, 1 passed.") {
		t.Errorf("everything: %q", s)
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
		`<details class="group" id="utf8" open>`, `<details class="group" id="framing">`,
		`<b>1</b> failed`, `<b>1</b> not strict`, `<b>1</b> passed`, `<a href="#case-utf8%2fbad">`, `id="case-utf8/bad"`, `<a href="#case-utf8%2flate">`, `value="pass">pass 1`, `value="fail" checked>fail 1`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	// The failure comes first, in the lists, in the order of the groups, and in its group.
	r := sample()
	r.Results[1], r.Results[2] = r.Results[2], r.Results[1]
	r.Results = append([]conformance.Result{{ID: "framing/late", Group: "framing", Verdict: conformance.NonStrict, Detail: "late"}}, r.Results...)
	b.Reset()
	if err := report.HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	at := -1
	for _, want := range []string{
		`<h2>1 of 6 cases failed</h2>`, `<a href="#case-utf8%2fbad">`, `<h2>2 are not strict</h2>`, `<a href="#case-framing%2flate">`, `<a href="#case-utf8%2flate">`,
		`<details class="group" id="utf8" open>`, `id="case-utf8/bad"`, `id="case-utf8/late"`, `<details class="group" id="framing" open>`, `id="case-framing/late"`, `id="case-framing/text"`,
		`<details class="group" id="origin">`,
	} {
		i := strings.Index(b.String(), want)
		if i < at {
			t.Errorf("%q is missing or too early", want)
		}
		at = i
	}
	// With nothing to see but passes, passes are shown.
	r = sample()
	r.Results = r.Results[:1]
	b.Reset()
	if err := report.HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), `value="pass" checked>pass 1`) {
		t.Error("passes are hidden though there is nothing else")
	}
	if strings.Contains(b.String(), "cases failed") || strings.Contains(b.String(), "not strict</h2>") || !strings.Contains(b.String(), "<b>0</b> failed") {
		t.Error("failures are listed though there are none, or are not said to be none")
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
