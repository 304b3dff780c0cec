package battery

import (
	"io"
	"sync"
	"time"
)

// slow are requests that stop coming.
func slow() []Case {
	late := Want{status: []int{408}, then: closed}
	return group{"late (RFC 9110 15.5.9)", asIs, []Case{
		{Name: "nothing comes", Text: "", Want: Want{status: []int{408}, then: ended}},
		{Name: "a request line that stops", Text: "GET / HT", Want: late},
		{Name: "a header that stops", Text: "GET / HTTP/1.1\r\nHost: a\r\nX: ", Want: late},
		{Name: "a header that never ends", Text: "GET / HTTP/1.1\r\nHost: a\r\nX: ", Want: late, drip: true},
		{Name: "a body that stops", Text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", Want: late},
		{Name: "a body in chunks that stops", Text: inChunks("9\r\nabc"), Want: late},
		{Name: "a chunk's size that stops", Text: inChunks("3\r\nabc\r\n1"), Want: late},
		{Name: "a trailer that stops", Text: inChunks("3\r\nabc\r\n0\r\nT: "), Want: late},
		{Name: "a connection that idles", Text: "GET / HTTP/1.1\r\nHost: a\r\n\r\n", Want: Want{status: []int{200}, then: ended}},
	}}.all()
}

// dripping is the pause between the bytes of a request that comes so.
const dripping = 50 * time.Millisecond

// late sends a case to the hasty address and waits until that has had enough.
func (r *run) late(c Case) {
	r.mu.Lock()
	r.report.Sent++
	r.mu.Unlock()
	got := r.wait(c)
	switch {
	case r.target.NetHTTP && c.Mark != "":
		fault := &Fault{}
		if got == "" {
			fault = nil
		}
		r.mark(c, fault)
	case got != "":
		r.fault(Fault{Case: c.Name, Way: "and then nothing more", Sent: c.Text, Got: got, Want: c.Want.String()})
	}
}

func (r *run) wait(c Case) string {
	conn, err := r.target.dial(r.target.Hasty)
	if err != nil {
		return err.Error()
	}
	defer conn.close()
	io.WriteString(conn, c.Text)
	over := make(chan struct{})
	var dripped sync.WaitGroup
	if c.drip {
		dripped.Go(func() {
			for every := time.NewTicker(dripping); ; {
				select {
				case <-over:
					every.Stop()
					return
				case <-every.C:
					io.WriteString(conn, "x")
				}
			}
		})
	}
	defer dripped.Wait()
	defer close(over)
	return r.judge(conn, c, false)
}
