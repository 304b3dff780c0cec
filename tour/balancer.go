package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// balancer asks for users through nginx, while a node is killed and while another stops in good order.
func balancer(ctx context.Context, s *site) (lines []string, err error) {
	for _, show := range []func(context.Context, *site) (string, error){showShares, showLoss, showDrain} {
		line, err := show(ctx, s)
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// throughNginx is a request for one of the shop's users.
func (s *site) throughNginx(i int) question {
	return get(fmt.Sprint(s.stack.URL(), "/user/", i%50000+1))
}

func showShares(ctx context.Context, s *site) (string, error) {
	shares := make(map[string]int)
	w, err := measure(ctx, asked, s.throughNginx)
	if err != nil {
		return "", err
	}
	for i := range 30 {
		a, err := wanted(ctx, 200, s.throughNginx(i))
		if err != nil {
			return "", err
		}
		shares[a.header.Get("X-Node")]++
	}
	if len(shares) != len(s.trio) {
		return "", errUnlike("nodes that answered", shares, len(s.trio))
	}
	return fmt.Sprintf("nginx before %d nodes, %d requests: %s", len(s.trio), asked+30, w), nil
}

// showLoss kills a node while clients ask, and starts it again.
func showLoss(ctx context.Context, s *site) (string, error) {
	lost := s.trio[1]
	count, err := meanwhile(ctx, s, func() error {
		lost.Kill()
		return pause(ctx, time.Second)
	})
	if err != nil {
		return "", fmt.Errorf("while a node was killed: %w", err)
	}
	if err := errors.Join(lost.Start(ctx), lost.Ready(ctx)); err != nil {
		return "", err
	}
	err = until(ctx, 30*time.Second, func() error { return s.answers(ctx, lost.HTTP) })
	return fmt.Sprintf("node 2 killed by SIGKILL: %d GETs, 0 failed; back, it is asked again", count), err
}

// showDrain stops a node in good order while clients ask, and starts it again.
func showDrain(ctx context.Context, s *site) (string, error) {
	n := s.trio[2]
	began := time.Now()
	var took time.Duration
	count, err := meanwhile(ctx, s, func() error {
		err := n.Drain(ctx)
		took = time.Since(began)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("while a node stopped: %w", err)
	}
	if err := errors.Join(n.Start(ctx), n.Ready(ctx)); err != nil {
		return "", err
	}
	err = until(ctx, 30*time.Second, func() error { return s.answers(ctx, n.HTTP) })
	return fmt.Sprintf("node 3 stopped by SIGTERM, drained in %.1f s: %d GETs, 0 failed", took.Seconds(), count), err
}

// answers tells whether nginx has a node answer, of those that it asks next.
func (s *site) answers(ctx context.Context, node string) error {
	for i := range 2 * len(s.trio) {
		a, err := wanted(ctx, 200, s.throughNginx(i))
		if err != nil {
			return err
		}
		if "http://"+a.header.Get("X-Node") == node {
			return nil
		}
	}
	return errors.New("nginx does not ask " + node)
}

// meanwhile has four clients ask through nginx for as long as f runs, and counts their requests. An answer that is not 200
// is an error.
func meanwhile(ctx context.Context, s *site, f func() error) (count int, err error) {
	const clients = 4
	over := make(chan struct{})
	type result struct {
		count int
		err   error
	}
	results := make(chan result, clients)
	for c := range clients {
		go func() {
			var r result
			for r.err == nil {
				select {
				case <-over:
					results <- r
					return
				default:
				}
				_, r.err = wanted(ctx, 200, s.throughNginx(c*1000+r.count))
				r.count++
			}
			results <- r
		}()
	}
	err = f()
	close(over)
	for range clients {
		r := <-results
		count, err = count+r.count, errors.Join(err, r.err)
	}
	return count, err
}

// pause waits for a while.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
