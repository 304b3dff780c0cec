package command

import (
	_ "embed"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

// starter is what init writes.
//
//go:embed starter.yaml
var starter string

func (t *tool) initCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a small working config to start from",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			file := "sluice.yaml"
			if len(args) == 1 {
				file = args[0]
			}
			f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if err != nil {
				return failed(fmt.Errorf("write %s: %w", file, err))
			}
			_, err = f.WriteString(starter)
			if err := errors.Join(err, f.Close()); err != nil {
				return failed(fmt.Errorf("write %s: %w", file, err))
			}
			fmt.Fprintf(t.out, "wrote %s; serve it with: sluice run %s\n", file, file)
			return nil
		},
	}
}
