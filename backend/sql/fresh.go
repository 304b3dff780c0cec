package sql

import (
	"sync"
	"sync/atomic"

	"github.com/sluiceapi/sluice"
)

// fresh serves with a handler, and makes it anew when another process has changed the tables below it.
type fresh struct {
	current atomic.Pointer[sluice.Handler]
	env     *sluice.Env
	changed func(error) bool
	again   func() (sluice.Handler, error)
	making  sync.Mutex
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
	if err == nil || !f.isChanged(err) {
		return err
	}
	if h = f.remake(h); h == nil {
		return err
	}
	return (*h).Serve(x)
}

// isChanged tells whether an error says that the tables have changed.
func (f *fresh) isChanged(err error) bool {
	known, ok := err.(*sluice.Error)
	return ok && known.Err != nil && f.changed(known.Err)
}

// remake replaces a handler; another exchange may have done so already. It gives nil when there can be no other.
func (f *fresh) remake(old *sluice.Handler) *sluice.Handler {
	f.making.Lock()
	defer f.making.Unlock()
	if now := f.current.Load(); now != old {
		return now
	}
	h, err := f.again()
	if err != nil {
		f.env.Log.Error("the tables have changed, and the statement does not fit them", "endpoint", f.env.Name, "error", err)
		return nil
	}
	f.current.Store(&h)
	return &h
}
