package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/internal/scale"
)

func newPlan() *cobra.Command {
	load := scale.Load{Size: 128, Broker: "memory"}
	machine := scale.Machine{Cores: scale.DefaultCores, BrokerCores: scale.DefaultBrokerCores}
	memory, network, use := float64(scale.DefaultMemory)/(1<<30), scale.DefaultNetwork*8/1e9, float64(100*scale.DefaultUse)
	var files []string
	var asJSON, show bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Compute what a load takes of nodes and of a broker",
		Long: `Plan says how many nodes a load takes, what its broker does, and what runs out
first. It knows what a connection, a delivery and a publication cost: from
measurements that came with this version, or with --figures from your own, which
are reports of "godwit bench --json".

The law behind it, with what it assumes, is in docs/scale.md. It says what a load
takes when everything runs evenly, and knows nothing of everybody coming back at
once: "godwit bench storm" measures that.`,
		Example: `  godwit plan --connections 1e6 --rate 1000 --fanout 1000 --broker nats
  godwit plan --connections 20000 --rate 50 --fanout 400 --node-cores 2 --node-memory 2
  godwit bench connections ws://127.0.0.1:8000/channels/idle --json idle.json
  godwit plan --connections 1e5 --rate 100 --fanout 100 --figures idle.json --json
  godwit plan --show-figures > figures.json`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			figures := scale.Defaults()
			for _, name := range files {
				b, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				if figures, err = scale.ParseFigures(figures, b); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			if show {
				_, err := cmd.OutOrStdout().Write(scale.AppendFigures(nil, &figures))
				return err
			}
			for _, name := range []string{"connections", "rate", "fanout"} {
				if !cmd.Flags().Changed(name) {
					return usagef("--%s is missing; usage: godwit plan --connections N --rate N --fanout N", name)
				}
			}
			machine.Memory, machine.Network, machine.Use = memory*(1<<30), network*1e9/8, use/100
			p, err := scale.Make(load, machine, &figures)
			var wrong *scale.LoadError
			if errors.As(err, &wrong) {
				return usagef("%s", wrong.Text)
			}
			if err != nil {
				return err
			}
			if asJSON {
				e := json.NewEncoder(cmd.OutOrStdout())
				e.SetIndent("", "  ")
				return e.Encode(p)
			}
			_, err = cmd.OutOrStdout().Write(p.AppendText(nil, &figures))
			return err
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.Float64VarP(&load.Connections, "connections", "c", 0, "`N` connections (default none: it is needed)")
	f.Float64VarP(&load.Rate, "rate", "r", 0, "`N` publications a second, in all channels (default none: it is needed)")
	f.Float64Var(&load.Fanout, "fanout", 0, "`N` connections that a publication is given to, on average (default none: it is needed)")
	f.Float64VarP(&load.Size, "size", "s", load.Size, "`BYTES` of a payload")
	f.StringVar(&load.Broker, "broker", load.Broker, "`BROKER` that keeps histories: memory, disk, redis or nats")
	f.IntVar(&machine.Cores, "node-cores", machine.Cores, "processors of a node, `N`")
	f.Float64Var(&memory, "node-memory", memory, "memory of a node, `GIB`")
	f.Float64Var(&network, "node-network", network, "network of a node, `GBITS` a second")
	f.IntVar(&machine.BrokerCores, "broker-cores", machine.BrokerCores, "processors of a server of the broker, `N`")
	f.Float64Var(&use, "use", use, "`PERCENT` of each that is to be used")
	f.Var((*fileNames)(&files), "figures", "file with reports of godwit bench --json, or figures of --show-figures; repeatable (default none)")
	f.BoolVar(&show, "show-figures", false, "print the figures as JSON, to be changed and given to --figures (default false)")
	f.BoolVar(&asJSON, "json", false, "print a JSON object (default false)")
	return cmd
}

// fileNames is a repeatable flag that is called FILE in help.
type fileNames []string

func (f *fileNames) String() string { return "" } // the default is in the usage
func (f *fileNames) Type() string   { return "FILE" }

func (f *fileNames) Set(value string) error {
	if value == "" {
		return errors.New("a file is needed")
	}
	*f = append(*f, value)
	return nil
}
