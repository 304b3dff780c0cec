package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/sluiceapi/sluice/server"
)

// roles are what a process does of what a config says. It is the value of a flag.
type roles struct{ api, worker bool }

// String lists the roles.
func (r *roles) String() string {
	var all []string
	if r.api {
		all = append(all, "api")
	}
	if r.worker {
		all = append(all, "worker")
	}
	return strings.Join(all, ",")
}

// Set reads a list of roles.
func (r *roles) Set(text string) error {
	var read roles
	for _, role := range strings.Split(text, ",") {
		switch strings.TrimSpace(role) {
		case "api":
			read.api = true
		case "worker":
			read.worker = true
		default:
			return fmt.Errorf("there is no role %q; want api, worker or both with a comma between them", role)
		}
	}
	*r = read
	return nil
}

// Type is what help calls the value.
func (r *roles) Type() string { return "LIST" }

// rest ends the work of nodes. What was begun gets what a drain gives, without limit where its timeout is zero.
func (r *runner) rest(d server.Drain) {
	ctx := context.Background()
	if d.Timeout > 0 {
		end, cancel := context.WithTimeout(ctx, d.Delay+d.Timeout)
		defer cancel()
		ctx = end
	}
	r.nodes.Rest(ctx)
}

// abandon ends the work of nodes at once, where it has not ended already.
func (r *runner) abandon() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r.nodes.Rest(ctx)
}
