package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// cancels is how many cancel requests are under way at once: each is a connection, and a server in trouble must not
	// get many more of them.
	cancels = 8
	// cancelTimeout bounds one of them.
	cancelTimeout = 2 * time.Second
)

// Canceller asks servers to end what connections that were given up leave running. It does so in the background, for up
// to a few connections at once; of more the servers find out themselves. The zero Canceller is ready.
type Canceller struct {
	mu     sync.Mutex // guards all below
	count  int
	closed bool
	done   sync.WaitGroup
	ctx    context.Context
	stop   context.CancelFunc
}

// Close ends the requests under way, waits for them, and makes no more.
func (k *Canceller) Close() {
	k.mu.Lock()
	k.closed = true
	if k.stop != nil {
		k.stop()
	}
	k.mu.Unlock()
	k.done.Wait()
}

// cancel asks the server to end what runs on a connection.
func (k *Canceller) cancel(raw *pgconn.PgConn) {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed || k.count == cancels {
		return
	}
	if k.stop == nil {
		k.ctx, k.stop = context.WithCancel(context.Background())
	}
	k.count++
	k.done.Go(func() {
		ctx, cancel := context.WithTimeout(k.ctx, cancelTimeout)
		defer cancel()
		_ = raw.CancelRequest(ctx) // nobody is there to be told: the connection is gone
		k.mu.Lock()
		k.count--
		k.mu.Unlock()
	})
}
