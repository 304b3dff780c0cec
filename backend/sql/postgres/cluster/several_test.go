package cluster

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// balancer is an address that leads to one server after the other.
type balancer struct {
	net.Listener
	mu      sync.Mutex
	targets []string
	conns   []net.Conn
	running sync.WaitGroup
}

func balance(t *testing.T, targets ...string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{Listener: l, targets: targets}
	b.running.Go(b.serve)
	t.Cleanup(func() {
		b.Close()
		b.mu.Lock()
		for _, c := range b.conns {
			c.Close()
		}
		b.mu.Unlock()
		b.running.Wait()
	})
	return b
}

// lead has the address lead elsewhere from the next connection on.
func (b *balancer) lead(targets ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = targets
}

func (b *balancer) serve() {
	for i := 0; ; i++ {
		in, err := b.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		target := b.targets[i%len(b.targets)]
		b.mu.Unlock()
		out, err := net.Dial("tcp", target)
		if err != nil {
			in.Close()
			continue
		}
		b.mu.Lock()
		b.conns = append(b.conns, in, out)
		b.mu.Unlock()
		for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
			b.running.Go(func() {
				io.Copy(pair[0], pair[1])
				pair[0].Close()
			})
		}
	}
}

// TestSeveral holds that an address which leads to several servers is left out, and that one which comes to lead to
// another is not.
func TestSeveral(t *testing.T) {
	t.Parallel()
	pg := servers.StartCluster(t, servers.Options{}, 2)
	p, r1, r2 := pg.Primary, pg.Replicas[0], pg.Replicas[1]
	b := balance(t, r1.Address())
	s := open(t, nil, p.URL("postgres"), strings.Replace(r1.URL("postgres"), r1.Address(), b.Addr().String(), 1))
	behind := func() Status { return s.Status()[1] }
	until(t, "the replica serves", func() bool {
		return behind().State == Following && s.read("SELECT 1", Want{}).server == b.Addr().String()
	})

	b.lead(r2.Address())
	s.servers[1].pool.Reset()
	until(t, "reads go to the other one", func() bool { return s.read("SELECT 1", Want{}).server == b.Addr().String() })
	if got := behind(); got.State != Following {
		t.Errorf("got %+v", got)
	}

	b.lead(r1.Address(), r2.Address())
	until(t, "the address is left out", func() bool {
		s.read("SELECT 1", Want{})
		if behind().State == Several {
			return true
		}
		s.servers[1].pool.Reset()
		return false
	})
	if got := behind(); !strings.Contains(got.Why, "want the address of each") {
		t.Errorf("got %+v", got)
	}
	if got := s.read("SELECT 1", Want{}); got.server != p.Address() {
		t.Errorf("got %+v", got)
	}
}

func TestSeveralSure(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	var v several
	v.add(now)
	v.add(now.Add(time.Second))
	if v.sure(now.Add(time.Second)) {
		t.Error("sure after two times")
	}
	v.add(now.Add(2 * time.Minute))
	v.add(now.Add(2 * time.Minute))
	if v.sure(now.Add(2 * time.Minute)) {
		t.Error("what was long ago counts")
	}
	v.add(now.Add(2 * time.Minute))
	if !v.sure(now.Add(2*time.Minute)) || v.sure(now.Add(13*time.Minute)) {
		t.Error("want it left out for ten minutes")
	}
}
