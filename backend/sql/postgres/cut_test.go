package postgres

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// cutter is a connection whose next write, once it is armed, loses its last bytes and fails.
type cutter struct {
	net.Conn
	lose atomic.Int32
}

var errCut = errors.New("cut")

func (c *cutter) Write(p []byte) (int, error) {
	lose := int(c.lose.Swap(0))
	if lose == 0 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:max(0, len(p)-lose)])
	if err == nil {
		err = errCut
	}
	return n, err
}

// cutting dials a connection that can be cut in a write.
func cutting(t *testing.T, config *pgconn.Config) (*Conn, *cutter) {
	t.Helper()
	var wire *cutter
	config = config.Copy()
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		wire = &cutter{Conn: c}
		return wire, err
	}
	c := dial(t, config)
	return c, wire
}

// TestCutWrite holds that a write which the network takes in part is said to be not sent only where it can not have been
// committed: behind the Sync that commits comes the question how far the log is.
func TestCutWrite(t *testing.T) {
	t.Parallel()
	config := setup(t, "CREATE TABLE a (id int)")
	other := dial(t, config)
	for _, lose := range []int32{3, 20, 1000} {
		for _, inTransaction := range []bool{false, true} {
			must(t, other.Script(t.Context(), "TRUNCATE a", nil))
			c, wire := cutting(t, config)
			session := ask(t, c, "SELECT pg_backend_pid()")
			insert := describe(t, c, "INSERT INTO a VALUES (1)")
			var err error
			if inTransaction {
				must(t, c.Begin(false))
				run(t, c, insert, Input{})
				wire.lose.Store(lose)
				_, err = c.Commit(true)
			} else {
				must(t, c.Prepare(t.Context(), insert))
				wire.lose.Store(lose)
				_, err = c.QueryLSN(insert, Input{}, later(), nil)
			}
			if !errors.Is(err, errCut) || c.Usable() {
				t.Fatalf("got %v", err)
			}
			until(t, "the session has ended", func() bool {
				return ask(t, other, "SELECT count(*) FROM pg_stat_activity WHERE pid = "+session) == "0"
			})
			whole := lose < 1000
			if IsNotSent(err) == whole || IsUnknown(err) != whole {
				t.Errorf("without the last %d bytes, in a transaction %v: %v", lose, inTransaction, err)
			}
			if n := ask(t, other, "SELECT count(*) FROM a"); whole && n != "1" {
				t.Errorf("without the last %d bytes, in a transaction %v: %s rows, the test proves nothing", lose, inTransaction, n)
			}
		}
	}
}
