package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/job"
)

func (t *tool) jobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "Look at jobs, cancel them, try them again",
		Long: `Look at the jobs that the policy async has made, cancel them, or have them tried
again. FILE is a config as for run; its state.jobs says where they are kept.`,
	}
	cmd.AddCommand(t.jobsList(), t.jobOrder("show", "Show a job and its result", t.showJob),
		t.jobOrder("retry", "Have a job tried again that has failed, was cancelled or is dead", t.retryJob),
		t.jobOrder("cancel", "Cancel a job that waits or runs", t.cancelJob))
	return cmd
}

func (t *tool) jobsList() *cobra.Command {
	var f job.Filter
	cmd := &cobra.Command{
		Use:   "list [FILE…]",
		Short: "List jobs, the newest first",
		RunE: func(cmd *cobra.Command, files []string) error {
			if f.State != "" && !slices.Contains(job.States(), f.State) {
				return fmt.Errorf("%q is no state of a job; want one of %v", f.State, job.States())
			}
			return t.withJobs(cmd.Context(), orDefault(files), func(r job.Record) error { return t.listJobs(cmd.Context(), r, f) })
		},
	}
	cmd.Flags().StringVar((*string)(&f.State), "state", "", "only those that are ready, running, succeeded, failed, cancelled or dead")
	cmd.Flags().StringVar(&f.Endpoint, "endpoint", "", "only those of an endpoint")
	cmd.Flags().StringVar(&f.Before, "before", "", "only those older than the job with this id")
	cmd.Flags().IntVar(&f.Limit, "limit", 100, "how many at most")
	return cmd
}

// jobOrder is a subcommand for one job.
func (t *tool) jobOrder(name, short string, run func(context.Context, job.Record, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " ID [FILE…]",
		Short: short,
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !job.ValidID(args[0]) {
				return fmt.Errorf("%q is not the id of a job", args[0])
			}
			return t.withJobs(cmd.Context(), orDefault(args[1:]), func(r job.Record) error { return run(cmd.Context(), r, args[0]) })
		},
	}
}

// withJobs opens the record that a config names.
func (t *tool) withJobs(ctx context.Context, files []string, f func(job.Record) error) error {
	doc := t.load(files)
	if err := doc.Err(); err != nil {
		return t.mistakes(err)
	}
	c := &doc.File.State.Jobs
	if path := c.URL.Path; path != "" {
		if _, err := os.Stat(path); err != nil {
			return failed(fmt.Errorf("no jobs are kept yet: %w", err))
		}
	}
	r, err := openRecord(&sluice.Env{Now: time.Now}, c)
	if err != nil {
		return failed(err)
	}
	return failed(errors.Join(f(r), r.Close()))
}

func (t *tool) listJobs(ctx context.Context, r job.Record, f job.Filter) error {
	jobs, err := r.List(ctx, f)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tENDPOINT\tSTATUS\tATTEMPTS\tCREATED\tREASON")
	for _, j := range jobs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d/%d\t%s\t%s\n", j.ID, j.Endpoint, j.Status(), j.Attempt, j.MaxAttempts, j.Created.Format(time.RFC3339), j.Reason)
	}
	return w.Flush()
}

func (t *tool) showJob(ctx context.Context, r job.Record, id string) error {
	j, err := r.Job(ctx, id)
	if err != nil {
		return err
	}
	t.printJob(j)
	result, err := r.Result(ctx, id)
	if err != nil || result == nil {
		return err
	}
	fmt.Fprintf(t.out, "\n%d\n", result.Status)
	for i := 0; i+1 < len(result.Header); i += 2 {
		fmt.Fprintf(t.out, "%s: %s\n", result.Header[i], result.Header[i+1])
	}
	fmt.Fprintf(t.out, "\n%s\n", result.Body)
	return nil
}

func (t *tool) printJob(j *job.Job) {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	line := func(name string, value any) { fmt.Fprintf(w, "%s\t%v\n", name, value) }
	at := func(name string, at time.Time) {
		if !at.IsZero() {
			line(name, at.Format(time.RFC3339))
		}
	}
	line("id", j.ID)
	line("endpoint", j.Endpoint)
	line("status", j.Status())
	line("attempts", fmt.Sprintf("%d of %d, %d claims, %d crashes", j.Attempt, j.MaxAttempts, j.Claims, j.Crashes))
	if j.Reason != "" {
		line("reason", j.Reason)
	}
	if j.Caller != "" {
		line("caller", j.Caller)
	}
	at("created", j.Created)
	if !j.State.Final() {
		at("due", j.RunAt)
	}
	at("finished", j.Finished)
	w.Flush()
}

func (t *tool) retryJob(ctx context.Context, r job.Record, id string) error {
	return t.ordered(id, func() (*job.Job, error) { return r.Retry(ctx, id) }, func(j *job.Job) bool { return j.State == job.Ready })
}

func (t *tool) cancelJob(ctx context.Context, r job.Record, id string) error {
	return t.ordered(id, func() (*job.Job, error) { return r.Cancel(ctx, id) },
		func(j *job.Job) bool { return j.State == job.Cancelled || j.CancelRequested })
}

// ordered carries out an order, and says when the job is in a state in which it means nothing.
func (t *tool) ordered(id string, order func() (*job.Job, error), done func(*job.Job) bool) error {
	j, err := order()
	if err != nil {
		return err
	}
	if !done(j) {
		return fmt.Errorf("the job %s stays as it is: %s", id, j.Status())
	}
	t.printJob(j)
	return nil
}
