package servers

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
)

// Owner is whom servers belong to: every testing.TB is one, and Within makes one for programs that are no tests.
// Servers stop in its Cleanup.
type Owner interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	// Fatalf and Skipf end the goroutine's work; they do not return.
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Failed() bool
}

// ErrSkipped is in the error of Within when a program that is needed is not installed.
var ErrSkipped = errors.New("left out")

// Within runs f with an owner, and stops what f has started when it returns or panics. What is fatal, or skipped, ends f
// and is the error; that holds for f's own goroutine only. What is logged goes to log.
func Within(log io.Writer, f func(Owner) error) (err error) {
	p := &program{log: log}
	defer p.cleanUp()
	defer func() {
		switch e := recover().(type) {
		case nil:
		case stop:
			err = e.err
		default:
			panic(e)
		}
		p.failed = err != nil
	}()
	return f(p)
}

// program is the Owner of Within.
type program struct {
	mu       sync.Mutex
	log      io.Writer
	cleanups []func()
	failed   bool
}

// stop unwinds f of Within.
type stop struct{ err error }

func (p *program) Helper() {}

func (p *program) Failed() bool { return p.failed }

func (p *program) Cleanup(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cleanups = append(p.cleanups, f)
}

func (p *program) Logf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.log, format+"\n", args...)
}

func (p *program) Fatalf(format string, args ...any) { panic(stop{fmt.Errorf(format, args...)}) }

func (p *program) Skipf(format string, args ...any) {
	panic(stop{fmt.Errorf("%w: "+format, append([]any{ErrSkipped}, args...)...)})
}

func (p *program) cleanUp() {
	p.mu.Lock()
	cleanups := p.cleanups
	p.cleanups = nil
	p.mu.Unlock()
	for _, f := range slices.Backward(cleanups) {
		f()
	}
}

// parallel runs all at once and returns their errors joined.
func parallel(all ...func() error) error {
	errs := make([]error, len(all))
	var running sync.WaitGroup
	for i, f := range all {
		running.Go(func() { errs[i] = f() })
	}
	running.Wait()
	return errors.Join(errs...)
}
