package compose

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sluiceapi/sluice"
)

// plan is in which order parts can be asked.
type plan struct {
	// needs is how many parts must have answered before each; next are the parts that wait for each.
	needs []int
	next  [][]int
	// refers are the parts whose answers each refers to.
	refers [][]int
	// first are the parts that wait for none.
	first []int
}

// newPlan makes the plan of parts, from what they say that they need and what their references name.
func newPlan(use *Use) (*plan, error) {
	names := use.ResultNames()
	p := &plan{needs: make([]int, len(names)), next: make([][]int, len(names)), refers: make([][]int, len(names))}
	var errs []error
	for i := range use.Parts {
		p.refers[i] = use.Parts[i].Backend.Results
		needs := slices.Clone(p.refers[i])
		for _, name := range use.Parts[i].Needs {
			needs = append(needs, slices.Index(names, name))
		}
		slices.Sort(needs)
		needs = slices.Compact(needs)
		if slices.Contains(needs, i) {
			errs = append(errs, sluice.At(fmt.Sprintf("parts[%d]", i), errors.New("a part cannot refer to its own answer")))
		}
		for _, n := range p.refers[i] {
			if of := &use.Parts[n]; n != i && of.Optional && !use.Parts[i].failsAlone() {
				errs = append(errs, sluice.At(fmt.Sprintf("parts[%d]", i), fmt.Errorf("it refers to %s, which is optional, so that its answer may be missing; want a fallback for %s, or optional: true or a fallback here too", of.As, of.As)))
			}
		}
		p.needs[i] = len(needs)
		for _, n := range needs {
			p.next[n] = append(p.next[n], i)
		}
		if len(needs) == 0 {
			p.first = append(p.first, i)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if stuck := p.stuck(); len(stuck) > 0 {
		var all []string
		for _, i := range stuck {
			all = append(all, names[i])
		}
		return nil, sluice.At("parts", fmt.Errorf("%s wait for each other; want at least one of them to need none of the others", strings.Join(all, ", ")))
	}
	return p, nil
}

// stuck are the parts that could never be asked.
func (p *plan) stuck() []int {
	left, ready := slices.Clone(p.needs), slices.Clone(p.first)
	done := make([]bool, len(left))
	for len(ready) > 0 {
		i := ready[0]
		ready, done[i] = ready[1:], true
		for _, j := range p.next[i] {
			if left[j]--; left[j] == 0 {
				ready = append(ready, j)
			}
		}
	}
	var stuck []int
	for i := range done {
		if !done[i] {
			stuck = append(stuck, i)
		}
	}
	return stuck
}
