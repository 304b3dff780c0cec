package build_test

import (
	"context"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/build"
	"github.com/sluiceapi/sluice/sluicetest"
)

// worker is a policy whose endpoints have a node work.
func worker(run func(take, keep context.Context)) sluice.Kind {
	return sluice.NewPolicy("worker", struct{}{}, func(env *sluice.Env, _ *sluice.Endpoint, _ *struct{}) (sluice.Policy, error) {
		env.Work(run)
		return func(next sluice.Handler) sluice.Handler { return next }, nil
	})
}

// shift is one run of a node's work: what it is told, and how it may end.
type shift struct {
	take, keep context.Context
	leave      chan struct{}
}

func shifts() (sluice.Kind, chan shift) {
	begun := make(chan shift, 8)
	return worker(func(take, keep context.Context) {
		s := shift{take, keep, make(chan struct{})}
		begun <- s
		<-take.Done()
		<-s.leave
	}), begun
}

func makeWorking(t *testing.T, before *build.Node, kind sluice.Kind) *build.Node {
	t.Helper()
	node, err := build.Make(sluicetest.Document(t, `
		sluice: 1
		endpoints:
			a:
				route: GET /
				policies:
					- worker
				echo: a
	`), build.Options{Kinds: []sluice.Kind{kind, echo}}, before)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

func TestWork(t *testing.T) {
	t.Parallel()
	kind, begun := shifts()
	var s build.Switch
	first := makeWorking(t, nil, kind)
	s.Swap(first)
	select {
	case <-begun:
		t.Fatal("a process that does not work has begun to")
	default:
	}
	s.Work()
	one := <-begun
	s.Swap(makeWorking(t, first, kind))
	two := <-begun
	<-one.take.Done()
	if one.keep.Err() != nil || two.take.Err() != nil {
		t.Fatal("a reload ends more than what the old node takes up")
	}
	hurry, giveUp := context.WithCancel(t.Context())
	rested := make(chan struct{})
	go func() { s.Rest(hurry); close(rested) }()
	<-two.take.Done()
	if two.keep.Err() != nil {
		t.Fatal("what was begun is given up before it must be")
	}
	giveUp()
	<-one.keep.Done()
	<-two.keep.Done()
	close(one.leave)
	select {
	case <-rested:
		t.Fatal("at rest while something runs")
	default:
	}
	close(two.leave)
	<-rested
	s.Swap(nil)
}
