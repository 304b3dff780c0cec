package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// jobsFound is what became of the jobs.
type jobsFound struct {
	states                                 map[string]int
	effects, none, more, strange, overlaps int
}

func (t *jobsTrial) found() (f jobsFound) {
	f.states = map[string]int{}
	t.effects.mu.Lock()
	f.effects = t.effects.count
	for n, end := range t.ledger.ends {
		f.states[end.status]++
		switch done := len(t.effects.by[t.ledger.ids[n]]); {
		case done == 0 && end.status == "succeeded":
			f.none++
		case done > 1:
			f.more++
		}
	}
	for id := range t.effects.by {
		if _, known := t.ledger.byID[id]; !known {
			f.strange++
		}
	}
	t.effects.mu.Unlock()
	f.overlaps = len(t.effects.overlaps())
	return f
}

func (t *jobsTrial) print(took time.Duration) {
	f := t.found()
	where := "SQLite, polled"
	if t.postgres != nil {
		where = "PostgreSQL, with RabbitMQ as the bell"
	}
	fmt.Printf("%d jobs in %s, %d API nodes and %d workers, %s\n\n", t.jobs, where, jobsAPIs, jobsWorkers, seconds(took))
	row := func(name string, value any) { fmt.Printf("  %-58s %v\n", name, value) }
	row("accepted (202)", len(t.ledger.byID))
	row("requests that were sent again", t.refused.Load())
	for _, state := range slices.Sorted(maps.Keys(f.states)) {
		row("ended as "+state, f.states[state])
	}
	row("effects", f.effects)
	row("jobs with more than one effect", f.more)
	for _, what := range slices.Sorted(maps.Keys(t.befell)) {
		row("times "+what, t.befell[what])
	}
	row("jobs lost", f.states["lost"])
	row("jobs that changed after their end", t.changed)
	row("succeeded without an effect", f.none)
	row("requests with two jobs, or jobs with two requests", len(t.ledger.twice))
	row("effects of jobs that nobody was told of", f.strange)
	row("attempts that held one lease", f.overlaps)
	fmt.Println()
}

func (t *jobsTrial) verdict() error {
	f := t.found()
	var errs []error
	want := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	want(f.states["lost"] == 0, "%d jobs are lost", f.states["lost"])
	want(t.changed == 0, "%d jobs changed after they had ended", t.changed)
	want(f.none == 0, "%d jobs succeeded without an effect", f.none)
	want(len(t.ledger.twice) == 0, "a key did not stand for one job: %s", strings.Join(t.ledger.twice, "; "))
	want(f.strange == 0, "%d jobs were done that nobody was told of", f.strange)
	if overlaps := t.effects.overlaps(); len(overlaps) > 0 {
		errs = append(errs, fmt.Errorf("%d attempts held one lease, such as %s", len(overlaps), overlaps[0]))
	}
	return errors.Join(errs...)
}

// newUnfencedStage builds a Sluice whose records take what comes late: the same sources, but for the conditions that name
// the lease.
func newUnfencedStage(ctx context.Context) (*stage, error) {
	return stageOf(func(s *stage) error { return s.unfence(ctx) })
}

func (s *stage) unfence(ctx context.Context) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("asking go for the module's folder: %w", err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, fence := range map[string]string{
		"job/sqlite/statements.go":   " AND lease = ?2 AND state = 'running'",
		"job/postgres/statements.go": " AND j.lease = h.lease WHERE j.state = 'running'",
	} {
		path := filepath.Join(strings.TrimSpace(string(root)), file)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), fence) {
			return fmt.Errorf("%s: there is no fence to take out: no %q", file, fence)
		}
		to, err := s.write(strings.ReplaceAll(file, "/", "_"), strings.ReplaceAll(string(text), fence, ""))
		if err != nil {
			return err
		}
		overlay.Replace[path] = to
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return err
	}
	file, err := s.write("overlay.json", string(text))
	if err != nil {
		return err
	}
	return s.build(ctx, "-overlay", file)
}
