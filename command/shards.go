package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceapi/sluice"
)

func (t *tool) shardsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "shards [FILE…]",
		Short: "Show where data stands: shards, their slots, servers, roles and lag",
		Long: `Show where the data of a config's databases stands: the shards and which keys
belong on each, the servers of each with their roles, how far replicas are
behind, and how many connections a node may open to them.`,
		RunE: func(cmd *cobra.Command, files []string) error { return t.shards(cmd.Context(), orDefault(files)) },
	}
}

func (t *tool) shards(ctx context.Context, files []string) error {
	doc := t.load(files)
	surveyors, names := blocks[sluice.Surveyor](t, doc, "")
	if err := doc.Err(); err != nil {
		return t.mistakes(err)
	}
	if len(surveyors) == 0 {
		return failed(errors.New("no backend of the config has data that can stand in several places"))
	}
	var wrong error
	for i, s := range surveyors {
		holdings, err := s.Survey(ctx)
		if err != nil {
			return failed(fmt.Errorf("backends.%s: %w", names[i], err))
		}
		fmt.Fprintln(t.out, names[i])
		for _, h := range holdings {
			t.printHolding(h, doc.File.Nodes)
			if h.Problem != nil {
				wrong = errors.New("not everything could be reached")
			}
		}
	}
	return failed(wrong)
}

func (t *tool) printHolding(h sluice.Holding, nodes int) {
	if h.Shard != "" {
		fmt.Fprintf(t.out, "  shard %s: %s\n", h.Shard, h.Keys)
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, s := range h.Servers {
		fmt.Fprintf(w, "    %s\t%s\t", s.Address, s.Role)
		printState(w, s, nodes)
		fmt.Fprintln(w)
	}
	w.Flush()
	if h.Problem != nil {
		fmt.Fprintf(t.out, "    %v\n", h.Problem)
	}
}

// printState prints what is known of a server beside its role.
func printState(w io.Writer, s sluice.Server, nodes int) {
	if s.LagKnown {
		fmt.Fprintf(w, "lag %v", s.Lag.Round(time.Millisecond))
	}
	fmt.Fprint(w, "\t")
	if s.Position != "" {
		fmt.Fprintf(w, "timeline %d at %s", s.Timeline, s.Position)
	}
	fmt.Fprint(w, "\t")
	if s.Connections > 0 {
		fmt.Fprintf(w, "%s with %d connections each, of %d", plural(nodes, "node"), s.Pool, s.Connections)
	}
	if s.Why != "" {
		fmt.Fprintf(w, "\t%s", s.Why)
	}
}
