package clientproto

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/internal/golden"
	"github.com/godwit-io/godwit/ws/wire"
)

func TestCodeTable(t *testing.T) {
	last := uint16(0)
	for i := range Codes() {
		c := &Codes()[i]
		if c.Number <= last {
			t.Errorf("%d %s: out of order", c.Number, c.Name)
		}
		last = c.Number
		if !isName(c.Name) || !isSentence(c.Meaning) || c.Reconnect.String() == "" {
			t.Errorf("%+v is not complete", c)
		}
		switch onWire := wire.CloseCode(c.Number).OnWire(); {
		case c.Carriers != 0 && !onWire:
			t.Errorf("%d %s may not be sent", c.Number, c.Name)
		case c.Number >= 4000 && (c.Carriers == 0 || http.StatusText(int(c.Number)-4000) == ""):
			t.Errorf("%d %s: own codes are statuses of HTTP with 4000 added, and sent somewhere", c.Number, c.Name)
		}
		if FindCode(c.Number) != c {
			t.Errorf("%d is not found", c.Number)
		}
	}
	if c := FindCode(4499); c != nil {
		t.Errorf("4499: %+v", c)
	}
}

// A client that knows no codes is told by a bit what the table says in words.
func TestReconnect(t *testing.T) {
	for code, want := range map[uint16]bool{CloseGoingAway: true, CloseTooMany: true, CloseUnauthorized: false, CloseForbidden: false, ClosePositionLost: false} {
		if got := FindCode(code).Reconnect.CanReturn(); got != want {
			t.Errorf("%d: %v", code, got)
		}
	}
}

func TestGapTable(t *testing.T) {
	for _, r := range GapReasons() {
		if !isName(r.Name) || !isSentence(r.Meaning) {
			t.Errorf("%+v is not complete", r)
		}
	}
}

func isName(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !strings.HasPrefix(s, "-") && !strings.HasSuffix(s, "-")
}

func isSentence(s string) bool {
	return len(s) > 10 && s[:1] == strings.ToUpper(s[:1]) && strings.HasSuffix(s, ".") && !strings.ContainsAny(s, "\n|") && !strings.Contains(s, "*/")
}

const snapshot = "testdata/codes.golden"

// Nothing that was ever in a table is given to something else. The snapshot only
// grows: -update adds new rows, and retired rows stay.
func TestNothingIsReused(t *testing.T) {
	b, err := os.ReadFile(snapshot)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
	rows := tableRows()
	for _, fault := range reused(rows, retired, known) {
		t.Error(fault)
	}
	var added []string
	for _, row := range rows {
		if !slices.Contains(known, row) {
			added = append(added, row)
		}
	}
	if len(added) == 0 || t.Failed() {
		return
	}
	if !golden.IsUpdating() {
		t.Fatalf("%s lacks %q; go generate ./clientproto adds what is new", snapshot, added)
	}
	if err := os.WriteFile(snapshot, []byte(strings.Join(append(known, added...), "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tableRows are what must not change of the rows of all tables: their kind, their
// number, if any, and their name.
func tableRows() (rows []string) {
	for _, c := range Codes() {
		rows = append(rows, "close "+strconv.Itoa(int(c.Number))+" "+c.Name)
	}
	for _, p := range Problems() {
		rows = append(rows, "problem "+strconv.Itoa(p.Status)+" "+p.Name)
	}
	for _, r := range GapReasons() {
		rows = append(rows, "gap "+r.Name)
	}
	for number, name := range Keys() {
		rows = append(rows, "key "+strconv.Itoa(number)+" "+name)
	}
	return rows
}

// reused lists the faults of rows beside those that are retired, and beside those that
// were known before.
func reused(rows, retired, known []string) (faults []string) {
	all := slices.Concat(rows, retired)
	owners := map[string]string{} // of a number or a name
	for _, row := range all {
		for _, key := range keys(row) {
			if owner, taken := owners[key]; taken {
				faults = append(faults, key+" of "+strconv.Quote(row)+" is taken by "+strconv.Quote(owner))
			}
			owners[key] = row
		}
	}
	for _, row := range known {
		if slices.Contains(all, row) {
			continue
		}
		fault := strconv.Quote(row) + " is gone; list it as retired"
		for _, key := range keys(row) {
			if owner := owners[key]; owner != "" {
				fault = key + " was of " + strconv.Quote(row) + " and is now of " + strconv.Quote(owner)
			}
		}
		faults = append(faults, fault)
	}
	for _, row := range retired {
		if !slices.Contains(known, row) {
			faults = append(faults, strconv.Quote(row)+" is retired and never was")
		}
	}
	return faults
}

// keys are what a row has for itself alone: its name, and its number but for problems, which share statuses.
func keys(row string) []string {
	f := strings.Fields(row)
	name := f[0] + " " + f[len(f)-1]
	if f[0] == "close" || f[0] == "key" {
		return []string{f[0] + " " + f[1], name}
	}
	return []string{name}
}

func TestReused(t *testing.T) {
	known := []string{"close 4401 unauthorized", "close 4410 position-lost", "problem 400 bad-request", "gap lost"}
	for _, c := range []struct {
		name          string
		rows, retired []string
		want          []string
	}{
		{"the same", known, nil, nil},
		{"more", append(slices.Clone(known), "problem 400 bad-command", "close 4400 bad-frame"), nil, nil},
		{"one is retired", known[1:], known[:1], nil},
		{"a number twice", append(slices.Clone(known), "close 4401 other"), nil, []string{`close 4401 of "close 4401 other" is taken by "close 4401 unauthorized"`}},
		{"a name twice", append(slices.Clone(known), "problem 404 bad-request"), nil, []string{`problem bad-request of "problem 404 bad-request" is taken by "problem 400 bad-request"`}},
		{"a number again", append(slices.Clone(known[1:]), "close 4401 other"), known[:1], []string{`close 4401 of "close 4401 unauthorized" is taken by "close 4401 other"`}},
		{"gone", known[1:], nil, []string{`"close 4401 unauthorized" is gone; list it as retired`}},
		{"a number means something else", append(slices.Clone(known[1:]), "close 4401 other"), nil, []string{`close 4401 was of "close 4401 unauthorized" and is now of "close 4401 other"`}},
		{"a name has another number", append(slices.Clone(known[1:]), "close 4402 unauthorized"), nil, []string{`close unauthorized was of "close 4401 unauthorized" and is now of "close 4402 unauthorized"`}},
		{"a problem has another status", []string{known[0], known[1], "problem 422 bad-request", known[3]}, nil, []string{`problem bad-request was of "problem 400 bad-request" and is now of "problem 422 bad-request"`}},
		{"retired by mistake", known, []string{"gap rate"}, []string{`"gap rate" is retired and never was`}},
	} {
		if got := reused(c.rows, c.retired, known); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
