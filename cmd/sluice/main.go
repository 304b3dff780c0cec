// Command sluice makes a scalable API out of one YAML file.
package main

import (
	"os"

	"github.com/sluiceapi/sluice/command"
	"github.com/sluiceapi/sluice/standard"
)

func main() { os.Exit(command.Main(standard.Kinds(), os.Args[1:])) }
