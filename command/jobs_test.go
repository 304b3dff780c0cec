package command

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/sqlite"
)

func TestJobs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "sluice.yaml"), "sluice: 1\nlisten:\n  http: 127.0.0.1:0\nendpoints:\n  e:\n    route: GET /\n    static:\n      body: a\n")
	if code, _, errs := runTool(t, "jobs", "list", file); code != exitFailed || !strings.Contains(errs, "no jobs are kept yet") {
		t.Errorf("%d %s", code, errs)
	}
	r, err := sqlite.Open(context.Background(), filepath.Join(dir, "jobs.db"), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	id := job.NewID(time.Now())
	if _, err := r.Accept(t.Context(), []job.New{{ID: id, Endpoint: "report", Caller: "iss ada", MaxAttempts: 3, Keep: time.Hour}}); err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	tool := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := runTool(t, args...)
		if code != want {
			t.Errorf("%v: %d, want %d\n%s%s", args, code, want, out, errs)
		}
		return out + errs
	}
	for _, c := range []struct {
		code int
		args []string
		want string
	}{
		{exitOK, []string{"list", file}, id},
		{exitOK, []string{"list", "--state", "dead", file}, "ENDPOINT"},
		{exitOK, []string{"show", id, file}, "queued"},
		{exitOK, []string{"cancel", id, file}, "cancelled"},
		{exitOK, []string{"retry", id, file}, "queued"},
		{exitFailed, []string{"show", job.NewID(time.Now()), file}, "there is no such job"},
		{exitUsage, []string{"show", "7", file}, "not the id of a job"},
		{exitUsage, []string{"list", "--state", "queued", file}, "no state of a job"},
		{exitUsage, []string{"show"}, "requires at least 1 arg"},
	} {
		if out := tool(c.code, append([]string{"jobs"}, c.args...)...); !strings.Contains(out, c.want) {
			t.Errorf("%v: got %s, want %q", c.args, out, c.want)
		}
	}
}
