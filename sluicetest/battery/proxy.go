package battery

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy is a node that passes every request on to an Origin, by the name that its client used (`host: pass`), but those
// below /named by the origin's own, and the answers back.
type Proxy struct {
	// Address is host and port of the node.
	Address string
	Origin  *Origin
	// NetHTTP tells that the node reads HTTP/1.1 with net/http, which keeps neither the case of names nor the order of
	// different ones.
	NetHTTP bool
	// Splits is at how many places what is sent is split at most; zero is at every byte.
	Splits int

	count atomic.Int64
}

// key makes the name of one sending of a case, which stands first in its path.
func (p *Proxy) key() string { return fmt.Sprintf("k%d", p.count.Add(1)) }

// each runs f for all of n, some at once, and gathers their faults.
func (p *Proxy) each(ctx context.Context, n int, f func(i int, r *Report)) *Report {
	total := &Report{Cases: n}
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce/4)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			var r Report
			f(i, &r)
			mu.Lock()
			defer mu.Unlock()
			total.Sent += r.Sent
			total.Marked += r.Marked
			total.Faults = append(total.Faults, r.Faults...)
		})
	}
	all.Wait()
	total.Faults = append(total.Faults, p.Origin.takeFaults()...)
	slices.SortFunc(total.Faults, func(a, b Fault) int { return cmp.Compare(a.Case, b.Case) })
	return total
}

// places are where a text is split: nowhere first, which is zero.
func (p *Proxy) places(text string) []int {
	step := 1
	if p.Splits > 0 && len(text) > p.Splits {
		step = (len(text) + p.Splits - 1) / p.Splits
	}
	if most := 200; len(text)/step > most {
		step = len(text) / most
	}
	places := []int{0}
	for at := 1; at < len(text); at += step {
		places = append(places, at)
	}
	return places
}

// split names a place.
func split(at int) string {
	if at == 0 {
		return "whole"
	}
	return fmt.Sprintf("split behind byte %d", at)
}

// pieces splits a text at a place.
func pieces(text string, at int) []string {
	if at == 0 {
		return []string{text}
	}
	return []string{text[:at], text[at:]}
}

// dial connects to the node.
func (p *Proxy) dial() (*conn, error) { return (&Target{NetHTTP: p.NetHTTP}).dial(p.Address) }

// send sends pieces with a pause between them.
func send(c net.Conn, pieces []string) {
	for i, text := range pieces {
		if i > 0 {
			time.Sleep(apart)
		}
		io.WriteString(c, text)
	}
}

// informed reads the next answer and the interim ones before it.
func (c *conn) informed(method string) (interim []*message, m *message, err error) {
	for {
		m, err := readMessage(c.reader, noAnswerBody(method))
		if err != nil || statusOf(m.start) >= 200 || statusOf(m.start) == 101 {
			return interim, m, err
		}
		interim = append(interim, m)
	}
}

var viaPattern = regexp.MustCompile(`^(1\.[01]|2\.0) [!#$%&'*+\-.^_|~0-9A-Za-z]+$`)

// strip takes out what a node adds to a request, and tells what is wrong with it: who asked, and the way taken. before
// are the values of Via and Forwarded that came.
func strip(m *message, host, cameVia string) string {
	for name, want := range map[string]string{"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "http", "X-Forwarded-Host": host} {
		if got := m.take(name); len(got) != 1 || got[0] != want {
			return fmt.Sprintf("%s is %q, want %q", name, got, want)
		}
	}
	got := m.take("Forwarded")
	if want := `for=127.0.0.1;host="` + host + `";proto=http`; len(got) != 1 || got[0] != want {
		return fmt.Sprintf("Forwarded is %q, want %q", got, want)
	}
	via := m.take("Via")
	if len(via) != 1 {
		return fmt.Sprintf("Via is %q, want one line", via)
	}
	if own, found := strings.CutPrefix(via[0], cameVia); !found || !viaPattern.MatchString(own) {
		return fmt.Sprintf("Via is %q, want %q and a name of the node's own", via[0], cameVia)
	}
	return ""
}

// ProxyConfig is the config of such a node, before the service at an address. What it listens on is added by whoever runs it.
func ProxyConfig(origin string) string {
	return fmt.Sprintf(`sluice: 1
backends:
  origin:
    http: {urls: ["http://%s"]}
endpoints:
  named:
    route: "* /named/{rest...}"
    http: {path: "/{rest}"}
  all:
    route: "* /{rest...}"
    http: {host: pass}
`, origin)
}

// again asks for something else over the same connection and tells what is wrong with the answer.
func (c *conn) again() string {
	send(c, []string{"GET /plain HTTP/1.1\r\nHost: a\r\n\r\n"})
	if _, m, err := c.informed("GET"); err != nil || string(m.body) != "plain" {
		return fmt.Sprintf("all, and for the next request %.300q and %v", c.raw.String(), err)
	}
	return ""
}
