package battery

import (
	"io"
	"net"
	"slices"
	"sync"
	"testing"
)

// TestNames holds that every case has a name of its own, and every mark a case.
func TestNames(t *testing.T) {
	t.Parallel()
	target := &Target{MaxHeader: 8 << 10, MaxBody: 1 << 10}
	seen := map[string]bool{}
	for _, c := range append(target.Cases(), slow()...) {
		if seen[c.Name] {
			t.Errorf("two cases are named %q", c.Name)
		}
		seen[c.Name] = true
	}
	for name := range marks {
		if !seen[name] {
			t.Errorf("a mark names %q, which is no case", name)
		}
	}
}

// serve answers whatever comes over a connection with the same text, once or each time that something comes.
func serve(t *testing.T, text string, once bool) *Target {
	t.Helper()
	address := listen(t, func(c net.Conn) {
		defer c.Close()
		p := make([]byte, 1<<20)
		for {
			if _, err := c.Read(p); err != nil {
				return
			}
			io.WriteString(c, text)
			if once {
				c.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, c)
				return
			}
		}
	})
	return &Target{Address: address, MaxHeader: 8 << 10, MaxBody: 1 << 10, Splits: 2, few: true}
}

// listen has each connection served, until the test ends, by what closes it.
func listen(t *testing.T, serve func(c net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		all.Wait()
	})
	return l.Addr().String()
}

// TestLaxServer has a server that finds everything in order fail in every case.
func TestLaxServer(t *testing.T) {
	t.Parallel()
	report := serve(t, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false).Run(t.Context())
	if len(report.Faults) != report.Cases {
		t.Errorf("%d faults in %d cases", len(report.Faults), report.Cases)
	}
}

// TestStrictServer has a server that refuses everything fail in the cases that are in order, and in no others.
func TestStrictServer(t *testing.T) {
	t.Parallel()
	target := serve(t, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", true)
	failed := map[string]bool{}
	for _, f := range target.Run(t.Context()).Faults {
		failed[f.Case] = true
	}
	for _, c := range target.Cases() {
		if inOrder := !slices.Contains(c.Want.status, 400); inOrder != failed[c.Name] {
			t.Errorf("%s: failed %t, want %t", c.Name, failed[c.Name], inOrder)
		}
	}
}
