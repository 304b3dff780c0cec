package sqlite

import "github.com/ncruces/go-sqlite3"

// Here tells of a value whether it belongs in this database, which may be one of several shards. Text is borrowed.
type Here func(t Type, n int64, text []byte) bool

// SetHere makes the writer's function sluice_here(value). Until then it is true for all.
func (db *DB) SetHere(h Here) { db.here.Store(&h) }

// createHere makes the function on a connection.
func (c *Conn) createHere() error {
	err := c.raw.CreateFunction("sluice_here", 1, 0, func(ctx sqlite3.Context, arg ...sqlite3.Value) {
		h := c.db.here.Load()
		ctx.ResultBool(h == nil || (*h)(Type(arg[0].Type()), arg[0].Int64(), arg[0].RawText()))
	})
	return wrap(c.db.name, "", err, nil)
}
