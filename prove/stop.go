package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// stopTrial is the second half: processes that are told to stop under load.
type stopTrial struct {
	stage    *stage
	upstream *upstream
	counts
	stops   int
	longest time.Duration // from the signal to the end of the process
	errs    []error
}

const (
	stopDelay = 300 * time.Millisecond // drain.delay: far longer than a client needs for its next request
	stopAfter = 400 * time.Millisecond // of load
)

// run stops so many fresh processes.
func (e *stopTrial) run(ctx context.Context, stops int) error {
	path, err := e.stage.write("stop.yaml", firstTurn().config(e.upstream.address, stopDelay))
	if err != nil {
		return err
	}
	for e.stops < stops {
		if err := e.stop(ctx, path); err != nil {
			return err
		}
		e.stops++
	}
	progress(fmt.Sprintf("%d stops", e.stops))
	return nil
}

// stop starts a process, puts load on it, tells it to stop, and waits for the clients and for it to go. Clients leave
// when they are refused; a download that runs must come to its end.
func (e *stopTrial) stop(ctx context.Context, config string) error {
	n, err := e.stage.start(ctx, config)
	if err != nil {
		return err
	}
	defer n.kill()
	c := gather(n.http, roles())
	defer c.stop()
	if !rest(ctx, stopAfter) {
		return ctx.Err()
	}
	c.closing.Store(true)
	began := time.Now()
	if err := n.signal(syscall.SIGTERM); err != nil {
		return err
	}
	c.leave()
	if err := n.wait(ctx); err != nil {
		e.errs = append(e.errs, fmt.Errorf("stop %d: the process ended with %w; its last lines:\n%s", e.stops+1, err, n.log.last(3)))
	}
	e.longest = max(e.longest, time.Since(began))
	seen := c.tally.take()
	e.served, e.failed = e.served+seen.served, e.failed+seen.failed
	e.faults = append(e.faults, seen.faults...)
	return ctx.Err()
}

func (e *stopTrial) verdict() error {
	return errors.Join(errors.Join(e.errs...), e.fault("during the stops"))
}

func (e *stopTrial) print() {
	fmt.Printf(`
stops under load: SIGTERM to %d processes, one after the other, with drain.delay %s
  requests            %d served, %d failed
  from signal to end  %s at most, with downloads of %s brought to their end
`, e.stops, stopDelay, e.served, e.failed, seconds(e.longest), seconds(downloadPieces*downloadPause))
}
