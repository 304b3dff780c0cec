package battery

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// pipeline is a number of cases in a row on one connection: those that are in order are all answered, and none behind the
// first that is refused.
type pipeline struct {
	cases []Case // the last one may be refused; all others are kept
}

// pipelines puts every case that is kept, and every one that is refused, into some row, always in the same ones.
func (t *Target) pipelines() (all []pipeline) {
	const longest, most = 2000, 12
	var inOrder, ends []Case
	for _, c := range t.Cases() {
		method, _, _ := strings.Cut(c.Text, " ")
		known := t.NetHTTP && c.Mark != ""
		switch {
		case known || len(c.Text) > longest || c.once || method == "HEAD":
		case c.Want.then == kept && len(c.Want.status) == 1:
			inOrder = append(inOrder, c)
		case c.Want.then == closed && slices.Contains(c.Want.status, 400):
			ends = append(ends, c)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, end := range ends {
		var p pipeline
		for range 1 + random.IntN(most) {
			p.cases = append(p.cases, inOrder[random.IntN(len(inOrder))])
		}
		p.cases = append(p.cases, end)
		all = append(all, p)
	}
	for row := range slices.Chunk(inOrder, most) {
		all = append(all, pipeline{row})
	}
	return all
}

// pieceMax is the longest piece that a row is sent in.
const pieceMax = 100

// row sends a row in pieces of any length, and tells what is wrong with the answers.
func (r *run) row(n int, p pipeline) *Fault {
	r.mu.Lock()
	r.report.Sent++
	r.mu.Unlock()
	var text strings.Builder
	for _, c := range p.cases {
		text.WriteString(c.Text)
	}
	text.WriteString(second)
	last := p.cases[len(p.cases)-1]
	fault := &Fault{Case: "row: " + last.Name, Way: fmt.Sprintf("behind %d others", len(p.cases)-1), Sent: text.String(), Want: last.Want.String()}
	conn, err := r.target.dial(r.target.Address)
	if err != nil {
		fault.Got = err.Error()
		return fault
	}
	defer conn.close()
	var sent sync.WaitGroup
	sent.Go(func() {
		random := rand.New(rand.NewPCG(3, uint64(n)))
		var parts []string
		for rest := text.String(); rest != ""; {
			cut := min(len(rest), 1+random.IntN(pieceMax))
			parts = append(parts, rest[:cut])
			rest = rest[cut:]
		}
		send(conn, parts)
	})
	defer sent.Wait()
	defer conn.Close()
	for i, c := range p.cases[:len(p.cases)-1] {
		a, err := conn.answer("GET")
		if err != nil {
			if r.target.NetHTTP && conn.isEnd(err) && last.Want.then == closed {
				return nil // the reset behind the refusal took answers along
			}
			fault.Got = fmt.Sprintf("for number %d, %s, %v", i+1, c.Name, err)
			return fault
		}
		if !slices.Contains(c.Want.status, a.status) || a.leaves || c.Want.echo != "" && a.body != c.Want.echo {
			fault.Got = fmt.Sprintf("for number %d, %s, %s", i+1, c.Name, a)
			return fault
		}
	}
	if fault.Got = r.judge(conn, last, false); fault.Got != "" {
		return fault
	}
	return nil
}
