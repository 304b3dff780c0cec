package servers

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// Need skips the test unless all these programs are installed, and names Debian's packages for those that are not. With
// CI=true in the environment it is a failure, so that nothing is left out unseen. Of PostgreSQL want "postgres".
func Need(o Owner, programs ...string) {
	o.Helper()
	for _, name := range programs {
		if _, err := find(name); err != nil {
			lacking(o, err)
		}
	}
}

// lacking skips for want of a program, and fails for any other error.
func lacking(o Owner, err error) {
	o.Helper()
	var missing *missingError
	if errors.As(err, &missing) && os.Getenv("CI") != "true" {
		o.Skipf("%v", err)
	}
	o.Fatalf("%v", err)
}

type missingError struct{ program, pkg string }

func (e *missingError) Error() string {
	return fmt.Sprintf("%s is not installed; want Debian's package %s", e.program, e.pkg)
}

// debian is the package of a program.
func debian(program string) string {
	switch program {
	case "nginx":
		return "nginx-light"
	case "redis-server":
		return "redis-server"
	case "rabbitmq-server", "epmd":
		return "rabbitmq-server"
	case "promtool":
		return "prometheus"
	case "postgres", "initdb", "pg_basebackup":
		return "postgresql"
	default:
		return program
	}
}

// find is the path of a program: on the PATH, in /usr/sbin, which is not on the PATH of everyone, or in the folder of
// the newest PostgreSQL, which Debian puts on nobody's.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return filepath.Abs(path)
	}
	if path, err := exec.LookPath(filepath.Join("/usr/sbin", program)); err == nil {
		return path, nil
	}
	paths, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	if err != nil || len(paths) == 0 {
		return "", &missingError{program, debian(program)}
	}
	version := func(path string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path)))) // a folder that is no number is older than all
		return n
	}
	return slices.MaxFunc(paths, func(a, b string) int { return version(a) - version(b) }), nil
}
