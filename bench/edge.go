package main

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// edge counts system calls, and measures memory for large bodies and for many
// connections.
func edge(ctx context.Context, args []string) error {
	flags, s := newFlags("edge")
	size := flags.Int64("size", 5_000_000_000, "bytes of a large body")
	idle := flags.Int("idle", 10_000, "idle connections")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *size < 1 || *idle < 1 {
		return errors.New("-size and -idle start at 1")
	}
	b, err := newBench(ctx, *s)
	if err != nil {
		return err
	}
	defer b.close()

	if err := b.checkOnly([]string{sluiceName, "nginx", "haproxy", "net/http", fasthttpName}); err != nil {
		return err
	}
	if err := b.measureCalls(ctx); err != nil {
		return err
	}
	var goals []goal
	if b.wants(sluiceName) {
		if goals, err = b.measureLarge(ctx, *size); err != nil {
			return err
		}
		fmt.Println()
	}
	t, perConn, err := b.measureIdle(ctx, *idle)
	if err != nil {
		return err
	}
	t.writeTo(os.Stdout)
	fmt.Println()
	writeGoals(os.Stdout, append(goals, perConn)...)
	return nil
}

// measureCalls prints how many system calls servers make for a request.
func (b *bench) measureCalls(ctx context.Context) error {
	err := b.preparePerf(ctx)
	if errors.Is(err, errNotHere) && ctx.Err() == nil {
		fmt.Printf("system calls: LEFT OUT: %v\n\n", err)
		return nil
	}
	if err != nil {
		return err
	}
	for i, w := range []struct {
		title  string
		rivals func(origin string) []rival
	}{
		{"a proxied GET, calls per request", func(origin string) []rival {
			return []rival{sluice{answers: proxyAnswers(origin)}, nginx{upstream: origin}, haproxy{upstream: origin}, fasthttpProxy{origin}}
		}},
		{"a hit from memory, calls per request", func(origin string) []rival {
			return []rival{sluice{answers: cacheAnswers(origin)}, nginxCache{origin}, fasthttpKept{}}
		}},
	} {
		t, err := b.measureCallsOf(ctx, w.title, w.rivals, i == 0)
		if err != nil {
			return err
		}
		t.writeTo(os.Stdout)
		fmt.Println()
	}
	return nil
}

func (b *bench) measureCallsOf(ctx context.Context, title string, rivals func(origin string) []rival, describe bool) (*table, error) {
	defer b.stopAll()
	origin, err := b.startOrigin(ctx, originPath, originBody)
	if err != nil {
		return nil, err
	}
	chosen, err := b.prepare(ctx, rivals(origin))
	if err != nil {
		return nil, err
	}
	if describe {
		b.writeRivals(os.Stdout)
	}
	entries, err := b.startAll(ctx, chosen, originPath)
	if err != nil {
		return nil, err
	}
	var names []string
	var counted []calls
	var requests []int
	for _, e := range entries {
		if err := e.checkBody(ctx); err != nil {
			return nil, err
		}
		c, n, err := b.countCalls(ctx, e)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.name, err)
		}
		names, counted, requests = append(names, e.name), append(counted, c), append(requests, n)
	}
	return callsTable(title, names, counted, requests), nil
}
