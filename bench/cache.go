package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// cache measures an answer that a gateway has in memory.
func cache(ctx context.Context, args []string) error {
	b, err := newProfiled(ctx, "cache", args)
	if err != nil {
		return err
	}
	defer b.close()

	origin, err := b.startOrigin(ctx, originPath, originBody)
	if err != nil {
		return err
	}
	rivals, err := b.choose(ctx, []rival{
		sluice{answers: cacheAnswers(origin)},
		nginxCache{origin},
		varnish{origin},
		fasthttpKept{},
	})
	if err != nil {
		return err
	}
	b.writeRivals(os.Stdout)
	entries, err := b.startAll(ctx, rivals, originPath)
	if err != nil {
		return err
	}
	before, err := originRequests(ctx, origin)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := e.checkBody(ctx); err != nil {
			return err
		}
	}
	const title = "a hit from memory"
	if err := b.measure(ctx, entries, originPath, ""); err != nil {
		return err
	}
	results(title, entries).writeTo(os.Stdout)
	after, err := originRequests(ctx, origin)
	if err != nil {
		return err
	}
	if asked := after - before - 1; asked != 0 {
		return fmt.Errorf("the upstream was asked %d times while all answers were to come from memory", asked)
	}
	fmt.Println()
	if err := b.profileSluice(ctx, title, entries, originPath, ""); err != nil {
		return err
	}
	writeRatios(os.Stdout, title, entries, "nginx", "varnish", fasthttpName)
	fmt.Println()
	writeGoals(os.Stdout, cpuGoal(title, entries, "nginx", 0.8), cpuGoal(title, entries, "varnish", 0.45))
	return nil
}

// originRequests is how often an upstream was asked, this question counted
// in.
func originRequests(ctx context.Context, origin string) (int, error) {
	status, text, err := fetch(ctx, "http://"+origin+originStatus)
	if err != nil || status != 200 {
		return 0, fmt.Errorf("asking the upstream how often it was asked: %d %w", status, err)
	}
	return parseStatus(string(text))
}

// parseStatus reads the requests in what nginx tells of itself: accepts,
// handled and requests stand in the third line.
func parseStatus(text string) (requests int, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) > 2 {
		if numbers := strings.Fields(lines[2]); len(numbers) == 3 {
			return strconv.Atoi(numbers[2])
		}
	}
	return 0, fmt.Errorf("not what nginx tells of itself: %q", text)
}
