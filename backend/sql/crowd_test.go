package sql

import (
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// TestCrowded refuses pools that together are more than a server takes.
func TestCrowded(t *testing.T) {
	t.Parallel()
	p := servers.StartPostgres(t, servers.Options{Settings: map[string]string{"max_connections": "20", "superuser_reserved_connections": "3", "max_wal_senders": "3"}})
	_, err := start(t, t.TempDir(), func(w *Where) {
		w.URL = Servers{URL: URL{Server: sluice.Secret(p.URL("postgres"))}}
		w.Schema, w.Pool.Max = "", 17
	})
	if err == nil || !strings.Contains(err.Error(), "pool.max: ") || !strings.Contains(err.Error(), "takes 17 connections, and 1 nodes with 18 each need 18; want pool.max at most 16") {
		t.Errorf("%v; want the pool and the server's limit named", err)
	}
}
