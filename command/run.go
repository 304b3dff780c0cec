package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluiceapi/sluice/config"
)

func (t *tool) runCommand() *cobra.Command {
	as := roles{api: true, worker: true}
	cmd := &cobra.Command{
		Use:   "run [FILE…]",
		Short: "Serve a config",
		Long: `Serve a config. The first FILE is the base, the others are laid over it;
without any it is sluice.yaml.

A changed file, or SIGHUP, builds the new node beside the old one and swaps
them; a file with a mistake changes nothing and the log says why. SIGTERM
stops gracefully: no longer ready, a delay for load balancers to see it, then
finish what runs. SIGINT (Ctrl-C) does so without the delay. A second one
stops at once.

--roles says what the process does: serve the API, work on what was accepted
to be done later, or both.`,
		RunE: func(cmd *cobra.Command, files []string) error {
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, syscall.SIGINT)
			defer signal.Stop(signals)
			return t.serve(cmd.Context(), orDefault(files), as, signals)
		},
	}
	cmd.Flags().Var(&as, "roles", "what the process does: api, worker or both")
	return cmd
}

// addresses are where a node listens.
type addresses struct{ HTTP, HTTPS, Admin string }

// gcPercent lets the heap grow to five times what lives before it is collected. A node keeps little and makes much
// that is short-lived, so collecting at twice the size, as Go does by default, would cost about a tenth of its time.
// The variable GOGC says otherwise, and GOMEMLIMIT still holds.
const gcPercent = 400

// serve runs a config until a signal to stop comes or ctx ends, then drains.
func (t *tool) serve(ctx context.Context, files []string, as roles, signals chan os.Signal) error {
	if _, set := t.lookup("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
	doc := t.load(files)
	r := t.newRunner(files, as, doc)
	defer r.close()
	if err := r.start(doc); err != nil {
		return err
	}
	changes, stopWatching, err := watch(doc.Sources())
	if err != nil {
		r.log.Warn("files are not watched; SIGHUP reloads", "error", err)
	}
	defer stopWatching()
	r.announce()
	if t.started != nil {
		t.started(r.addresses())
	}
	for {
		select {
		case <-ctx.Done():
			return failed(r.drain(false))
		case err := <-r.failed:
			return failed(err)
		case s := <-signals:
			if s != syscall.SIGHUP {
				// From here on a signal has its usual effect: a second one ends the process.
				signal.Stop(signals)
				return failed(r.drain(s == syscall.SIGTERM))
			}
			changes.update(r.reload())
		case <-changes.changed():
			changes.update(r.reload())
		}
	}
}

// announce says what is served and where: to people as text, else in one log line.
func (r *runner) announce() {
	at := r.addresses()
	file := r.nodes.Node().File()
	if !r.tool.terminal {
		r.log.Info("serving", "http", at.HTTP, "https", at.HTTPS, "admin", at.Admin, "endpoints", len(file.Endpoints), "version", version())
		return
	}
	out := r.tool.err
	fmt.Fprintf(out, "\nsluice %s serves %s\n\n", version(), strings.Join(r.files, " "))
	for _, line := range [][2]string{{"http", link("http", at.HTTP)}, {"https", link("https", at.HTTPS)}, {"admin", link("http", at.Admin)}} {
		if line[1] != "" {
			fmt.Fprintf(out, "  %-6s %s\n", line[0], line[1])
		}
	}
	fmt.Fprintln(out)
	for _, e := range file.Endpoints {
		for _, route := range append([]string{e.Value.Route}, e.Value.Routes...) {
			if route != "" {
				fmt.Fprintf(out, "  %s\n", route)
			}
		}
	}
	if sample := sampleCurl(file, at); sample != "" {
		fmt.Fprintf(out, "\ntry:  %s\n\n", sample)
	}
}

func link(scheme, address string) string {
	if address == "" {
		return ""
	}
	if strings.HasPrefix(address, "[::]:") {
		address = "localhost" + strings.TrimPrefix(address, "[::]")
	}
	return scheme + "://" + address
}

// sampleCurl is a request that a reader can try: the first GET that needs no more than a number in its path.
func sampleCurl(file *config.File, at addresses) string {
	base := link("http", at.HTTP)
	if base == "" {
		return ""
	}
	for _, e := range file.Endpoints {
		path, found := strings.CutPrefix(e.Value.Route, "GET /")
		if !found || strings.Contains(path, "...") {
			continue
		}
		for {
			before, rest, open := strings.Cut(path, "{")
			_, after, closed := strings.Cut(rest, "}")
			if !open || !closed {
				return "curl " + base + "/" + path
			}
			path = before + "1" + after
		}
	}
	return ""
}

// slogger is the logger until a config says otherwise.
func (t *tool) slogger() *slog.Logger { return slog.New(slog.NewTextHandler(t.err, nil)) }

// drain stops gracefully: no longer ready, with delay a while in which load balancers see that, then finish what
// runs.
func (r *runner) drain(delay bool) error {
	c := r.serverConfig(r.nodes.Node().File())
	if !delay {
		c.Drain.Delay = 0
		if err := r.server.Apply(c); err != nil {
			return err
		}
	}
	r.log.Info("draining", "delay", c.Drain.Delay, "timeout", c.Drain.Timeout)
	r.draining.Store(true)
	r.bulletin.tell()
	began := time.Now()
	rested := make(chan struct{})
	go func() {
		r.rest(c.Drain)
		close(rested)
	}()
	err := r.server.Shutdown(context.Background())
	<-rested
	if r.admin != nil {
		err = errors.Join(err, r.admin.Shutdown(context.Background()))
	}
	r.log.Info("stopped", "after", time.Since(began))
	return err
}
