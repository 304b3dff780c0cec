package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// limits sends a volley of 151 requests to the three nodes at once, from an address that has not asked before. Of them 51
// may pass, and one more for each 10 ms that it takes.
func limits(ctx context.Context, s *site) ([]string, error) {
	const volley, burst = 151, 51
	client := clientFrom("127.0.0.12")
	defer client.CloseIdleConnections()
	answers := make([]answer, volley)
	errs := make([]error, volley)
	began := time.Now()
	var running sync.WaitGroup
	for i := range volley {
		running.Go(func() {
			answers[i], errs[i] = askWith(ctx, client, get(s.trio[i%len(s.trio)].HTTP+"/api/products/7"))
		})
	}
	running.Wait()
	took := time.Since(began)
	passed, refused := 0, 0
	for i, a := range answers {
		switch {
		case errs[i] != nil:
			return nil, errs[i]
		case a.status == 200:
			passed++
		case a.status == 429 && a.header.Get("Retry-After") != "":
			refused++
		default:
			return nil, errUnlike("the status of a request of the volley", a.status, "200, or 429 with Retry-After")
		}
	}
	more := int(took / (10 * time.Millisecond))
	if passed < burst || passed > burst+more {
		return nil, fmt.Errorf("%d of %d passed in %s; want %d to %d", passed, volley, took, burst, burst+more)
	}
	return []string{
		fmt.Sprintf("a volley of %d over 3 nodes took %d ms: %d + %d let through, of %d + %d;", volley, took.Milliseconds(), burst, passed-burst, burst, more),
		fmt.Sprintf("%d refused with 429, Retry-After: %s", refused, retryAfter(answers)),
	}, nil
}

func retryAfter(answers []answer) string {
	for _, a := range answers {
		if after := a.header.Get("Retry-After"); after != "" {
			return after + " s"
		}
	}
	return "none"
}

// clientFrom is a client with an address of its own on this machine.
func clientFrom(ip string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}
}
