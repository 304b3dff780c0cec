package battery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Refusals sends every case that must be refused through the proxy, as Run does, and looks at what its origin gets: never
// a whole request. What was refused here is not for another to take.
func (p *Proxy) Refusals(ctx context.Context) *Report {
	target := &Target{Address: p.Address, NetHTTP: p.NetHTTP, MaxHeader: 64 << 10, MaxBody: 10 << 20}
	var all []Case
	for _, c := range target.Cases() {
		if c.Want.then == closed && !slices.Contains(c.Want.status, 200) && strings.Contains(c.Text, " / HTTP/1.") && len(c.Text) < 64<<10 {
			all = append(all, c)
		}
	}
	return p.each(ctx, len(all), func(i int, r *Report) {
		c := all[i]
		r.Sent++
		got := p.refusal(target, c)
		if p.NetHTTP && c.Mark != "" {
			r.Marked++
			return
		}
		if got != "" {
			r.Faults = append(r.Faults, Fault{Case: "service: " + c.Name, Way: "before a second request", Sent: c.Text, Got: got, Want: "nothing whole that the service gets"})
		}
	})
}

// settled is how long after a refusal the origin is watched.
const settled = 5 * time.Millisecond

func (p *Proxy) refusal(t *Target, c Case) string {
	key := p.key()
	a := &act{name: c.Name, pieces: []string{plainAnswer}}
	p.Origin.play(key, a)
	defer p.Origin.drop(key)
	conn, err := p.dial()
	if err != nil {
		return err.Error()
	}
	defer conn.close()
	if p.NetHTTP && c.Mark != "" {
		conn.SetDeadline(time.Now().Add(brief))
	}
	go send(conn, []string{strings.Replace(c.Text, " / HTTP/1.", " /"+key+" HTTP/1.", 1) + second})
	r := &run{target: t}
	got := r.judge(conn, c, false)
	select {
	case m := <-a.seen:
		return fmt.Sprintf("the service was sent %.300q", m.text(false))
	case <-time.After(settled):
	}
	return got
}
