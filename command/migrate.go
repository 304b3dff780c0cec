package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

func (t *tool) migrateCommand() *cobra.Command {
	var backend string
	c := &cobra.Command{
		Use:   "migrate status|up|down [FILE…]",
		Short: "Show, apply or take back migrations",
		Long: `Show, apply or take back the migrations of a config's databases. status lists
them, up applies what is pending, down takes back the last one.`,
		Args:      cobra.MinimumNArgs(1),
		ValidArgs: []string{"status", "up", "down"},
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.migrate(cmd.Context(), args[0], orDefault(args[1:]), backend)
		},
	}
	c.Flags().StringVar(&backend, "backend", "", "only this backend; needed for down where there are several")
	return c
}

func (t *tool) migrate(ctx context.Context, what string, files []string, only string) error {
	if what != "status" && what != "up" && what != "down" {
		return fmt.Errorf("unknown %q; want status, up or down", what)
	}
	doc := t.load(files)
	migrators, names := blocks[sluice.Migrator](t, doc, only)
	if err := doc.Err(); err != nil {
		return t.mistakes(err)
	}
	if len(migrators) == 0 {
		return failed(errors.New("no backend of the config has migrations"))
	}
	if what == "down" && len(migrators) > 1 {
		return fmt.Errorf("several backends have migrations; want --backend with one of %s", strings.Join(names, ", "))
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	defer w.Flush()
	for i, m := range migrators {
		list, err := step(ctx, m, what)
		for _, one := range list {
			fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", names[i], one.Version, one.Name, state(what, one))
		}
		if err != nil {
			return failed(fmt.Errorf("backends.%s: %w", names[i], err))
		}
		if len(list) == 0 {
			fmt.Fprintf(w, "%s\t\t\tnothing to do\n", names[i])
		}
	}
	return nil
}

// blocks are the blocks under backends that are a T, filled, with the names of their backends; only one of them where
// its name is given.
func blocks[T any](t *tool, doc *config.Document, only string) (found []T, names []string) {
	known := false
	for _, b := range doc.File.Backends {
		if only != "" && b.Name != only || len(b.Value.Kinds) != 1 {
			continue
		}
		known = true
		block := b.Value.Kinds[0]
		for i := range t.kinds {
			k := &t.kinds[i]
			if k.Role != sluice.BackendRole || k.Name != block.Kind {
				continue
			}
			where := k.NewWhere()
			if m, ok := where.(T); ok && block.Fill(where) {
				found, names = append(found, m), append(names, b.Name)
			}
		}
	}
	if only != "" && !known {
		doc.Fault("backends", fmt.Errorf("there is no backend %q", only))
	}
	return found, names
}

func step(ctx context.Context, m sluice.Migrator, what string) ([]sluice.Migration, error) {
	switch what {
	case "up":
		return m.MigrateUp(ctx)
	case "down":
		return m.MigrateDown(ctx)
	}
	return m.Migrations(ctx)
}

func state(what string, m sluice.Migration) string {
	switch {
	case what == "up":
		return "applied"
	case what == "down":
		return "taken back"
	case m.Applied.IsZero():
		return "pending"
	}
	return "applied " + m.Applied.Format(time.RFC3339)
}
