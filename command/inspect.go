package command

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/config"
)

func (t *tool) checkCommand() *cobra.Command {
	var online bool
	c := &cobra.Command{
		Use:   "check [FILE…]",
		Short: "Find every mistake in a config, without touching the network",
		Long: `Find every mistake in a config: all are reported in one go, each with its place.
Nothing outside the process is changed or asked. SQL is checked against a
database in memory that the migrations have been applied to.

The first FILE is the base, the others are laid over it; without any it is
sluice.yaml.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			return t.check(cmd.Context(), orDefault(files), online)
		},
	}
	c.Flags().BoolVar(&online, "online", false, "also ask every backend whether it answers")
	return c
}

func (t *tool) check(ctx context.Context, files []string, online bool) error {
	doc := t.load(files)
	node, err := t.make(doc, build.Options{Dry: true}, nil)
	if err != nil {
		return t.mistakes(err)
	}
	defer node.Retire()
	fmt.Fprintf(t.out, "ok: %s, %s\n", plural(len(node.Endpoints()), "endpoint"), plural(len(doc.File.Backends), "backend"))
	if !online {
		return nil
	}
	return t.ping(ctx, node)
}

func (t *tool) ping(ctx context.Context, node *build.Node) error {
	const patience = 5 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	answers := node.Ping(ctx)
	silent := 0
	for _, name := range slices.Sorted(maps.Keys(answers)) {
		if err := answers[name]; err != nil {
			silent++
			fmt.Fprintf(t.err, "backends.%s: does not answer: %v\n", name, err)
			continue
		}
		fmt.Fprintf(t.out, "backends.%s: answers\n", name)
	}
	if silent > 0 {
		return failed(errors.New(plural(silent, "backend") + " without an answer"))
	}
	return nil
}

func (t *tool) routesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "routes [FILE…]",
		Short: "List what a config serves",
		RunE: func(_ *cobra.Command, files []string) error {
			doc := t.load(orDefault(files))
			node, err := t.make(doc, build.Options{Dry: true}, nil)
			if err != nil {
				return t.mistakes(err)
			}
			defer node.Retire()
			t.printRoutes(&doc.File)
			return nil
		},
	}
}

func (t *tool) printRoutes(file *config.File) {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "METHOD\tPATH\tENDPOINT\tBACKEND\tPOLICIES")
	for _, e := range file.Endpoints {
		routes := e.Value.Routes
		if e.Value.Route != "" {
			routes = []string{e.Value.Route}
		}
		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", method, strings.TrimSpace(path), e.Name, blockNames(e.Value.Kinds), policyNames(file, e.Value))
		}
	}
	w.Flush()
}

func policyNames(file *config.File, e config.Endpoint) string {
	var names []string
	for _, p := range slices.Concat(file.EveryEndpoint, e.Policies) {
		if p.Use != "" {
			names = append(names, "use "+p.Use)
		}
		for _, b := range p.Kinds {
			names = append(names, b.Kind)
		}
	}
	return strings.Join(names, ", ")
}

func blockNames(blocks []config.Block) string {
	var names []string
	for _, b := range blocks {
		names = append(names, b.Kind)
	}
	return strings.Join(names, ", ")
}

func (t *tool) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [KIND]",
		Short: "Show the manual entry of a policy or a backend",
		Args:  cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return t.kindNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				fmt.Fprintf(t.out, "kinds: %s\n", strings.Join(t.kindNames(), ", "))
				return nil
			}
			for i := range t.kinds {
				if t.kinds[i].Name == args[0] {
					return failed(config.Explain(t.out, &t.kinds[i], t.kinds))
				}
			}
			if near := sluice.Nearest(args[0], t.kindNames()); near != "" {
				return fmt.Errorf("no kind %q; did you mean %s?", args[0], near)
			}
			return fmt.Errorf("no kind %q; want one of %s", args[0], strings.Join(t.kindNames(), ", "))
		},
	}
}

func (t *tool) kindNames() []string {
	var names []string
	for _, k := range t.kinds {
		names = append(names, k.Name)
	}
	return names
}

func (t *tool) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the config, for editors",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := t.out.Write(config.Schema(t.kinds))
			return failed(err)
		},
	}
}

func (t *tool) referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "reference",
		Short: "Print the reference of the config, in Markdown",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return failed(config.Reference(t.out, t.kinds))
		},
	}
}

func (t *tool) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(t.out, "sluice %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

// version is the module's version as it was built: a tag, or the commit of a checkout.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return "devel"
}
