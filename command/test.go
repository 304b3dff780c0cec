package command

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceapi/sluice/cases"
)

func (t *tool) testCommand() *cobra.Command {
	var o cases.Options
	var variables []string
	var verbose bool
	c := &cobra.Command{
		Use:   "test FILE|FOLDER…",
		Short: "Run cases: a config, requests, and the responses they must get",
		Long: `Run cases. A case is a text file that ends in .txtar: a config, requests, and
the responses they must get. A folder stands for all cases in it and below.

  config: ../sluice.yaml
  env: SHOP_URL=sqlite:$WORK/shop.db

  -- request: one product --
  GET /api/products/7
  -- response --
  200
  content-type: application/json

  {"id": 7, "name": "*", "...": true}

The config may also stand in the file, as a part called sluice.yaml. In a
response "*" is any value, "...": true allows more members, and {name} takes a
value down: where it comes again it must be the same, and later requests may
use it. env: sets a variable, $WORK is the case's own folder, and node: FILE
serves a part as a node of its own, its address in ${FILE} in upper case. A
Consistency-Token that an answer brings goes back with the requests after it.

The same cases can run on other backends: --overlay lays a file over each
config, and --env sets variables over the heads of the cases.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.Env, err = assignments(variables); err != nil {
				return err
			}
			files, err := caseFiles(args)
			if err != nil {
				return failed(err)
			}
			o.Log = slog.New(slog.DiscardHandler)
			if verbose {
				o.Log = t.slogger()
			}
			return t.runCases(cmd, files, o)
		},
	}
	c.Flags().StringArrayVar(&o.Overlays, "overlay", nil, "a `file` to lay over the config of every case; may be repeated")
	c.Flags().StringArrayVar(&variables, "env", nil, "a variable, as `NAME=VALUE`, that holds instead of that of a case; may be repeated")
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, "show what the nodes log")
	return c
}

// assignments are variables by their names.
func assignments(texts []string) (map[string]string, error) {
	all := map[string]string{}
	for _, text := range texts {
		name, value, found := strings.Cut(text, "=")
		if !found || name == "" {
			return nil, fmt.Errorf("--env %q sets nothing; want NAME=VALUE", text)
		}
		all[name] = value
	}
	return all, nil
}

// caseFiles are the files that the arguments name, in their order.
func caseFiles(args []string) ([]string, error) {
	var files []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, arg)
			continue
		}
		err = filepath.WalkDir(arg, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && strings.HasSuffix(path, ".txtar") {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, errors.New("no cases there; want files that end in .txtar")
	}
	return files, nil
}

func (t *tool) runCases(cmd *cobra.Command, files []string, o cases.Options) error {
	o.Kinds, o.Lookup, o.Server = t.kinds, t.lookup, serverConfig
	o.OpenRedis, o.OpenRecord, o.OpenBell = openRedis, openRecord, openBell
	bad := 0
	for _, file := range files {
		began := time.Now()
		c, err := cases.Read(file)
		if err == nil {
			err = c.Run(cmd.Context(), o)
		}
		if err != nil {
			bad++
			fmt.Fprintf(t.out, "FAIL  %s\n  %v\n", file, err)
			continue
		}
		fmt.Fprintf(t.out, "ok    %s  %s, %s\n", file, plural(len(c.Steps), "request"), time.Since(began).Round(time.Millisecond))
	}
	fmt.Fprintf(t.out, "%d passed, %d failed\n", len(files)-bad, bad)
	if bad > 0 {
		return &exitError{code: exitCases}
	}
	return nil
}
