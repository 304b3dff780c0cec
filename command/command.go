// Package command is the sluice command line, for the stock binary and for programs that add kinds of their own.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// The exit codes, for scripts.
const (
	exitOK       = 0
	exitFailed   = 1 // something went wrong while running
	exitUsage    = 2 // the command line is wrong
	exitMistakes = 3 // a config has mistakes
	exitCases    = 4 // a case failed
)

// Main runs the command line that args hold, without the program's name, and returns the exit code. kinds are what
// configs can name: standard.Kinds() and, in a program of your own, what you add to them.
func Main(kinds []sluice.Kind, args []string) int {
	t := &tool{kinds: kinds, out: os.Stdout, err: os.Stderr, lookup: os.LookupEnv, terminal: isTerminal(os.Stderr)}
	return t.run(context.Background(), args)
}

// tool is what every subcommand reaches.
type tool struct {
	kinds    []sluice.Kind
	out, err io.Writer
	lookup   func(string) (string, bool)
	// terminal tells that err is read by a person.
	terminal bool
	// started, when set, is told the addresses once the node serves; tests wait on it.
	started func(addresses)
}

// exitError ends the program with a code; what is wrong has been said already when err is nil.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// failed marks an error of a running command, as against one of the command line.
func failed(err error) error {
	if err == nil {
		return nil
	}
	if _, is := errors.AsType[*exitError](err); is {
		return err
	}
	return &exitError{code: exitFailed, err: err}
}

func (t *tool) run(ctx context.Context, args []string) int {
	root := t.root()
	root.SetArgs(args)
	root.SetOut(t.out)
	root.SetErr(t.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	exit, ok := errors.AsType[*exitError](err)
	if !ok {
		fmt.Fprintf(t.err, "sluice: %v\nsee: sluice --help\n", err)
		return exitUsage
	}
	if exit.err != nil {
		fmt.Fprintf(t.err, "sluice: %v\n", exit.err)
	}
	return exit.code
}

const about = `Sluice makes a scalable API out of one YAML file.

A node serves endpoints. An endpoint is a route, the policies around it, and
the backend that answers: SQL, an HTTP service, a Go function, fixed content.

  sluice init              write a small working file to start from
  sluice run sluice.yaml   serve it`

func (t *tool) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "sluice",
		Short:         "Sluice makes a scalable API out of one YAML file",
		Long:          about + "\n\nExit codes: 0 done, 1 failed, 2 wrong command line, 3 mistakes in a config, 4 a case failed.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(t.runCommand(), t.initCommand(), t.checkCommand(), t.routesCommand(), t.explainCommand(),
		t.schemaCommand(), t.referenceCommand(), t.migrateCommand(), t.jobsCommand(), t.shardsCommand(), t.testCommand(), t.versionCommand())
	return root
}

// orDefault is what a command line without files means.
func orDefault(files []string) []string {
	if len(files) == 0 {
		return []string{"sluice.yaml"}
	}
	return files
}

// load reads a config.
func (t *tool) load(files []string) *config.Document {
	return config.Load(files, config.Options{Lookup: t.lookup})
}

// mistakes says what is wrong with a config and ends with the code for it.
func (t *tool) mistakes(err error) error {
	fmt.Fprintln(t.err, err)
	n := 1
	if list, ok := errors.AsType[config.Mistakes](err); ok {
		n = len(list)
	}
	fmt.Fprintf(t.err, "%s\n", plural(n, "mistake"))
	return &exitError{code: exitMistakes}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
