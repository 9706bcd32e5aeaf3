package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/server/flight"
)

func newExplain() *cobra.Command {
	var server, token, session, user, channel, position string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain",
		Short: "Say why a client did not get a message",
		Long: `Explain asks a server what became of one publication, for a session or for all
sessions of a user: whether it was given to the connection, and if not, why. Then
it prints what the server knows that from. The position of a publication is what
"godwit pub" prints.

The token or key needs the grant manage on the channel. What a client would be
allowed to do is explained by "godwit access explain".`,
		Example: `  godwit explain --user ann --channel chat --position f3ZbQ2LD7K:17
  godwit explain --session "$session" --channel chat --position "$position" --json | jq .outcome`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case (session == "") == (user == ""):
				return usagef("give --session or --user, and not both")
			case channel == "":
				return usagef("--channel is missing")
			case position == "":
				return usagef("--position is missing: that of the publication")
			}
			if err := hub.CheckChannel(channel); err != nil {
				return usagef("--channel: %s", strings.TrimPrefix(err.Error(), "hub: "))
			}
			if _, err := hub.ParsePosition(position); err != nil {
				return usagef("--position: %s", strings.TrimPrefix(err.Error(), "hub: "))
			}
			u, err := serverURL(server)
			if err != nil {
				return err
			}
			u = u.JoinPath("/api/v1/explain")
			query := url.Values{"channel": {channel}, "position": {position}}
			if user != "" {
				query.Set("user", user)
			} else {
				query.Set("session", session)
			}
			u.RawQuery = query.Encode()
			if token, err = bearer(token); err != nil {
				return err
			}
			body, err := fetchReport(cmd.Context(), u, token)
			if err != nil {
				return err
			}
			if asJSON {
				_, err = cmd.OutOrStdout().Write(body)
				return err
			}
			var r flight.Report
			if err := json.Unmarshal(body, &r); err != nil || r.Outcome == "" {
				return fmt.Errorf("%s answered something else than an explanation: is it a Godwit server?", origin(u))
			}
			return printExplanation(cmd.OutOrStdout(), &r)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&session, "session", "", "`ID` of the session that did not get it (default none)")
	flags.StringVar(&user, "user", "", "`NAME` of the user who did not get it, on any session (default none)")
	flags.StringVar(&channel, "channel", "", "`NAME` of the channel (default none)")
	flags.StringVar(&position, "position", "", "`POSITION` of the publication, EPOCH:OFFSET (default none)")
	serverFlag(cmd, &server)
	tokenFlag(cmd, &token)
	flags.BoolVar(&asJSON, "json", false, "print the answer of the server, which is JSON (default false)")
	return cmd
}

// printExplanation prints the sentences, and below them what they are known from.
func printExplanation(out io.Writer, r *flight.Report) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s: %s\n", r.Outcome, visible(r.Text))
	if p := r.Publication; p != nil {
		fmt.Fprintf(w, "\n%s of %s, published %s, %d bytes\n", r.Position, visible(r.Channel), clockTime(p.Time), p.Bytes)
	}
	for i := range r.Sessions {
		s := &r.Sessions[i]
		name := "session " + s.Session
		for _, more := range []struct{ word, text string }{{" of ", s.User}, {", ", s.Transport}} {
			if more.text != "" {
				name += more.word + more.text
			}
		}
		if s.IsOpen {
			name += ", open"
		}
		fmt.Fprintf(w, "\n%s: %s\n", visible(name), s.Outcome)
		if s.EventsLeft > 0 {
			fmt.Fprintf(w, "  … %d older events\n", s.EventsLeft)
		}
		printEvents(w, s.Events)
	}
	if r.Left > 0 {
		fmt.Fprintf(w, "\n… and %d older sessions\n", r.Left)
	}
	if len(r.Refusals) > 0 {
		fmt.Fprintf(w, "\nbefore there was a session\n")
		printEvents(w, r.Refusals)
	}
	fmt.Fprintf(w, "\nknown since %s\n", clockTime(r.KnownSince))
	return w.Flush()
}

func printEvents(w io.Writer, events []flight.ReportedEvent) {
	for i := range events {
		e := &events[i]
		fmt.Fprintf(w, "  %s\t%s\t%s\n", clockTime(e.Time), e.Event, visible(particulars(e)))
	}
}

// clockTime is a time to the millisecond.
func clockTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") }

// particulars says what an event says beside its kind.
func particulars(e *flight.ReportedEvent) string {
	var parts []string
	add := func(text string, has bool) {
		if has {
			parts = append(parts, text)
		}
	}
	add(e.Transport, e.Transport != "")
	add("after "+e.From+" and up to "+e.To, e.To != "")
	add(e.Why, e.Why != "")
	add(fmt.Sprintf("%d publications", e.Count), e.Count > 0)
	add("at "+e.At, e.At != "" && e.To == "")
	add("to "+e.Action, e.Action != "")
	add(fmt.Sprint(e.Code), e.Code != 0)
	add(e.Reason, e.Reason != "")
	return strings.Join(parts, ", ")
}
