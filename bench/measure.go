package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"time"
)

// warmUp goes before the first measured run: pools fill, Go's heap and the page
// cache settle.
const warmUp = time.Second

// entry is a rival whose server is up, and what was seen of it.
type entry struct {
	name     string
	process  *process
	base     string // "http://127.0.0.1:PORT"
	client   client // in place of a server, whose fields are empty then
	requests int    // of all measured runs
	runs     []result
	best     result // the one with the most requests
}

// ratio is the median of what a figure of e is beside that of another, run by
// run: those were measured one shortly after the other, so what else the
// machine did meanwhile has met both.
func (e *entry) ratio(other *entry, figure func(result) float64) float64 {
	ratios := make([]float64, min(len(e.runs), len(other.runs)))
	for i := range ratios {
		ratios[i] = figure(e.runs[i]) / figure(other.runs[i])
	}
	if len(ratios) == 0 {
		return math.NaN()
	}
	slices.Sort(ratios)
	return (ratios[(len(ratios)-1)/2] + ratios[len(ratios)/2]) / 2
}

// client is a program that asks a database by itself; it returns the CPU time
// that it used.
type client func(ctx context.Context, duration time.Duration) (load, time.Duration, error)

// result is one measured run.
type result struct {
	load
	cpu      time.Duration // of the server's processes
	database time.Duration // of the database's, if there is one
	wall     time.Duration
}

// cpuPerRequest is in microseconds.
func (r result) cpuPerRequest() float64 { return r.perRequest(r.cpu) }

func (r result) rate() float64 { return r.perSecond }

func (r result) perRequest(d time.Duration) float64 {
	return float64(d.Nanoseconds()) / 1000 / float64(r.requests)
}

// busy is the share of the server's core that the server used.
func (r result) busy() float64 { return r.cpu.Seconds() / r.wall.Seconds() }

// startAll starts the rivals and waits until each answers the path with 200.
func (b *bench) startAll(ctx context.Context, rivals []rival, path string) ([]*entry, error) {
	entries := make([]*entry, len(rivals))
	for i, r := range rivals {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		p, err := r.start(b, address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.name(), err)
		}
		entries[i] = &entry{name: r.name(), process: p, base: "http://" + address}
		if err := p.waitReady(ctx, entries[i].base+path); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// measure runs the load against each in turn, and then again: what else
// happens on the machine meanwhile so falls on all of them.
func (b *bench) measure(ctx context.Context, entries []*entry, path, script string) error {
	for n := range b.runs {
		for _, e := range entries {
			if e.client == nil && n == 0 {
				if _, err := b.wrk(ctx, warmUp, e.base+path, script); err != nil {
					return fmt.Errorf("%s: warming up: %w", e.name, err)
				}
			}
			r, err := b.measureOnce(ctx, e, path, script)
			if err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
			e.requests += r.requests
			e.runs = append(e.runs, r)
			if r.perSecond > e.best.perSecond {
				e.best = r
			}
		}
	}
	return nil
}

func (b *bench) measureOnce(ctx context.Context, e *entry, path, script string) (r result, err error) {
	before, err := b.cpuTimes(e)
	if err != nil {
		return result{}, err
	}
	begin := time.Now()
	var own time.Duration
	if e.client != nil {
		r.load, own, err = e.client(ctx, b.duration)
	} else {
		r.load, err = b.wrk(ctx, b.duration, e.base+path, script)
	}
	if err != nil {
		return result{}, err
	}
	r.wall = time.Since(begin)
	after, err := b.cpuTimes(e)
	r.cpu, r.database = own+after.server-before.server, after.database-before.database
	return r, err
}

// cpuTimes are the CPU times that a server and the database have used.
type cpuTimes struct{ server, database time.Duration }

func (b *bench) cpuTimes(e *entry) (t cpuTimes, err error) {
	if e.client == nil {
		if t.server, err = cpuTime(e.process.cmd.Process.Pid); err != nil {
			return t, err
		}
	}
	if b.database != 0 {
		t.database, err = cpuTime(b.database)
	}
	return t, err
}

// checkLog makes sure that a server that was to log each request has. It is
// asked once the server has ended, so that nothing waits in a buffer.
func checkLog(e *entry) error {
	file, err := os.Open(e.process.log)
	if err != nil {
		return fmt.Errorf("%s: access log: %w", e.name, err)
	}
	defer file.Close()
	lines := 0
	for part := make([]byte, 1<<20); ; {
		n, err := file.Read(part)
		lines += bytes.Count(part[:n], []byte{'\n'})
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: access log: %w", e.name, err)
		}
	}
	if lines < e.requests {
		return fmt.Errorf("%s: %d lines in its access log for %d requests and more", e.name, lines, e.requests)
	}
	return nil
}
