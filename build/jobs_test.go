package build_test

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/policy/async"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestMistakesOfJobs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`
		nodes: 3
		state:
			keys:
				- k
		endpoints:
			a:
				route: POST /a
				policies:
					- async
				echo: a
		`, "endpoints.a.policies[0].async: with nodes: 3, jobs are kept in a file"},
		{`
		endpoints:
			a:
				route: POST /a
				policies:
					- async
					- async
				echo: a
		`, "endpoints.a.policies[1].async: the exchange is served later already"},
		{`
		every_request:
			- async
		endpoints:
			a:
				route: POST /a
				echo: a
		`, "every_request[0].async: jobs belong to an endpoint"},
		{`
		endpoints:
			a:
				route: POST /a
				policies:
					- async
				echo: a
			b:
				route: GET /_jobs/{job}
				echo: b
		`, "endpoints.b.route: the route GET /_jobs/{job} takes the same requests as GET /_jobs/{id}, which the node answers by itself"},
		{`
		state:
			jobs: "sqlite::memory:"
		endpoints:
			a:
				route: POST /a
				echo: a
		`, "state.jobs: it names nothing that jobs can be kept in"},
	} {
		text := "sluice: 1" + strings.ReplaceAll(c.text, "\n\t\t", "\n") + "\n"
		_, err := build.Make(sluicetest.Document(t, text), build.Options{Kinds: []sluice.Kind{async.Kind, echo}, Dry: true}, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s\ngot %v\nwant %s", text, err, c.want)
		}
	}
}

// The routes of jobs are the node's own, not among the endpoints of the file.
func TestJobRoutesAreOwn(t *testing.T) {
	t.Parallel()
	node, err := build.Make(sluicetest.Document(t, `
		sluice: 1
		endpoints:
			a:
				route: POST /a
				policies:
					- async
				echo: a
	`), build.Options{Kinds: []sluice.Kind{async.Kind, echo}, Dry: true}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer node.Retire()
	if n := len(node.Endpoints()); n != 1 {
		t.Errorf("%d endpoints, want 1", n)
	}
}
