package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/server"
)

func newCluster() *cobra.Command {
	var url, token string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "List the nodes that use the same broker",
		Long: `Cluster asks a server which nodes use the same broker, and how it and they are:
a line for each node, as the one that was asked sees them. That one has a star.
Where there are bridges, a line for each of them says which node has it and how it is.

The lag is how long a message of the node takes to the broker and back.
The token or key needs the grant manage on **.`,
		Example: `  godwit cluster
  godwit cluster --server https://rt.example.com --json | jq '.nodes[].version'`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			u, err := serverURL(url)
			if err != nil {
				return err
			}
			u = u.JoinPath("/api/v1/cluster")
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
			var r server.ClusterReport
			if err := json.Unmarshal(body, &r); err != nil || len(r.Nodes) == 0 {
				return fmt.Errorf("%s answered something else than a list of nodes: is it a Godwit server?", origin(u))
			}
			return printCluster(cmd.OutOrStdout(), &r)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	serverFlag(cmd, &url)
	tokenFlag(cmd, &token)
	flags.BoolVar(&asJSON, "json", false, "print the answer of the server, which is JSON (default false)")
	return cmd
}

// printCluster prints how the broker is, and a line for each node.
func printCluster(out io.Writer, r *server.ClusterReport) error {
	switch b := &r.Broker; {
	case b.State != "up":
		away := ""
		if b.AwaySeconds > 0 {
			away = " for " + span(b.AwaySeconds)
		}
		fmt.Fprintf(out, "broker %s: %s%s: %s\n", visible(b.Kind), visible(b.State), away, visible(b.Reason))
	case r.Node == "":
		fmt.Fprintf(out, "broker %s: %s, and no other nodes\n", visible(b.Kind), visible(b.State))
	default:
		fmt.Fprintf(out, "broker %s: %s, lag %s\n", visible(b.Kind), visible(b.State), span(b.LagSeconds))
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tID\tADDRESS\tVERSION\tSTATE\tAGE\tLAG\tCONNECTIONS\tSESSIONS\tCHANNELS\tPUBLISHED/S\tDELIVERED/S")
	for i := range r.Nodes {
		n := &r.Nodes[i]
		name := n.Name
		if name == "" {
			name = "-"
		}
		if n.Self {
			name += " *"
		}
		state := n.State
		if n.HeardSeconds > heardLate.Seconds() {
			state += ", silent for " + span(n.HeardSeconds)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%.0f\t%.0f\n", visible(name), visible(dash(n.ID)), visible(dash(n.Address)), visible(n.Version), visible(state),
			span(n.AgeSeconds), span(n.LagSeconds), n.Load.Connections, n.Load.Sessions, n.Load.Channels, n.Load.Publications, n.Load.Messages)
	}
	if err := w.Flush(); err != nil || len(r.Bridges) == 0 {
		return err
	}
	return printBridges(out, r)
}

// printBridges prints a line for each bridge, and why it is not live.
func printBridges(out io.Writer, r *server.ClusterReport) error {
	names := make(map[string]string)
	for _, n := range r.Nodes {
		names[n.ID] = n.Name
	}
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "BRIDGE\tNODE\tSTATE\tFOR\tSILENT\tLAG\tCONNECTIONS\tGAPS\tCHANNELS\tPUBLISHED\tLOST\tPROBLEM")
	for i := range r.Bridges {
		b := &r.Bridges[i]
		node := names[b.Node]
		if node == "" {
			node = b.Node
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\t%s\n", visible(b.Name), visible(dash(node)), visible(b.State), span(b.StateSeconds), span(b.SilenceSeconds), span(b.LagSeconds),
			b.Connections, b.Gaps, b.Channels, b.Messages["published"], b.Messages["lost"], visible(dash(b.Problem)))
	}
	return w.Flush()
}

// heardLate is how long ago a node was heard that has missed a beat.
const heardLate = 3 * time.Second

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// span is a time that people read: 3d4h, 2m10s, 1.5ms.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Second && d < 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		text := d.Round(time.Second).String()
		if strings.HasSuffix(text, "m0s") {
			text = strings.TrimSuffix(text, "0s")
		}
		return text
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}
