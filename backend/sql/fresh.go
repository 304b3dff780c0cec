package sql

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// fresh serves with a handler, and makes it anew when another process has changed the tables below it.
type fresh struct {
	current atomic.Pointer[sluice.Handler]
	env     *sluice.Env
	changed func(error) bool
	again   func() (sluice.Handler, error)
	// writes, if not nil, tells whether an error says that the statement writes, which learn is told: it is run as a write
	// from then on.
	writes func(error) bool
	learn  func()
	making sync.Mutex // held while again and learn are called
}

func newFresh(h sluice.Handler, env *sluice.Env, changed func(error) bool, again func() (sluice.Handler, error)) *fresh {
	f := &fresh{env: env, changed: changed, again: again}
	f.current.Store(&h)
	return f
}

// Serve serves once more when the tables have changed: nothing was sent, and nothing written.
func (f *fresh) Serve(x *sluice.Exchange) error {
	h := f.current.Load()
	err := (*h).Serve(x)
	if err == nil {
		return nil
	}
	learn := f.says(f.writes, err)
	if !learn && !f.says(f.changed, err) {
		return err
	}
	if h = f.remake(h, learn); h == nil {
		return err
	}
	return (*h).Serve(x)
}

// says tells whether an error says what is asked, which may be nil.
func (f *fresh) says(what func(error) bool, err error) bool {
	known, ok := err.(*sluice.Error)
	return ok && known.Err != nil && what != nil && what(known.Err)
}

// remake replaces a handler; another exchange may have done so already. It gives nil when there can be no other.
func (f *fresh) remake(old *sluice.Handler, learn bool) *sluice.Handler {
	f.making.Lock()
	defer f.making.Unlock()
	if now := f.current.Load(); now != old {
		return now
	}
	if learn {
		f.learn()
	}
	h, err := f.again()
	if err != nil {
		if !errors.Is(err, errUnreached) {
			f.env.Log.Error("the tables have changed, and the statement does not fit them", "endpoint", f.env.Name, "error", err)
		}
		return nil
	}
	f.current.Store(&h)
	return &h
}

// reached makes the handler anew, for a database was reached. What is wrong with the statement is only known now: it is
// told, and looked for again as long as exchanges come, for the tables may still be made.
func (f *fresh) reached() {
	f.making.Lock()
	defer f.making.Unlock()
	h, err := f.again()
	switch {
	case errors.Is(err, errUnreached):
		return
	case err != nil:
		f.env.Log.Error("a database was reached, and the statement does not fit its tables", "endpoint", f.env.Name, "error", err)
		h = &misfit{of: f, until: f.env.Now().Add(misfitFor), err: &sluice.Error{Code: sluice.Internal, Err: err}}
	}
	f.current.Store(&h)
}

// misfit answers with an error, and has a statement checked again every so often.
type misfit struct {
	of    *fresh
	until time.Time
	err   *sluice.Error
}

// misfitFor is how long a statement that does not fit the tables is not checked again.
const misfitFor = 2 * time.Second

// Serve answers with the error, or with what the statement gives if it fits by now.
func (m *misfit) Serve(x *sluice.Exchange) error {
	f := m.of
	if f.env.Now().Before(m.until) || !f.making.TryLock() {
		return m.err
	}
	h, err := f.again()
	if err != nil {
		h = &misfit{of: f, until: f.env.Now().Add(misfitFor), err: m.err}
	}
	f.current.Store(&h)
	f.making.Unlock()
	if err != nil {
		return m.err
	}
	return h.Serve(x)
}
