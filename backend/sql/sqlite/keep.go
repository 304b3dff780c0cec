package sqlite

import (
	"sync/atomic"
	"time"
)

// To begin and end a read costs two system calls, for locks in the index of the write-ahead log, and they are half of a
// read by primary key. So a reader that is released keeps its snapshot, and the next read uses it if nothing was
// committed since, by whatever process: the index, which is memory that all processes share, has a header that each
// commit changes, and a look at that costs no system call. What is read is thus as new as without.
//
// A kept snapshot must not hold up checkpoints, of ours and of other processes: it ends after keepTicks, used or not,
// and none is kept while the log is long and its pages are not all in the file yet.

const (
	// keepTick is the clock of kept snapshots: one ends after two ticks.
	keepTick  = 50 * time.Millisecond
	keepTicks = 2
	// keepFrames is the length of the log from which a checkpoint is due, SQLite's own default for wal_autocheckpoint.
	keepFrames = 1000
	// keepSkip is how many reads do without a snapshot after one was kept in vain: to keep costs a fifth of a read.
	keepSkip = 32
)

// kept is the snapshot that a reader keeps; whoever has the reader may change it.
type kept struct {
	open   bool
	used   bool // by a read after the one that began it
	skip   int
	header walHeader // as it was when the snapshot was taken, or before
	tick   uint32
}

// keeper ends what is kept for too long.
type keeper struct {
	index *walIndex // nil when the system shares no memory that we can read
	tick  atomic.Uint32
	armed atomic.Bool
	timer *time.Timer
}

func (db *DB) startKeeper() {
	db.keep.index = openIndex(db.path)
	db.keep.timer = time.AfterFunc(time.Hour, db.sweep)
	db.keep.timer.Stop()
}

func (db *DB) closeKeeper() {
	if db.keep.timer != nil {
		db.keep.timer.Stop()
	}
	if db.keep.index != nil {
		db.keep.index.close()
	}
}

// resume lets a reader use the snapshot that it keeps, or begins one to keep.
func (c *Conn) resume() {
	k, keep := &c.kept, &c.db.keep
	if keep.index == nil {
		return
	}
	now := keep.index.header()
	if k.open {
		if k.header == now && keep.fresh(k) && !c.raw.GetAutocommit() {
			k.used = true
			return
		}
		c.drop()
	}
	if k.skip > 0 {
		k.skip--
		return
	}
	if c.do(begin) == nil { // the snapshot is taken by the first read: release looks whether the header is still this
		*k = kept{open: true, header: now, tick: keep.tick.Load()}
	}
}

// pause ends the transaction of a reader that is given back, or keeps it.
func (c *Conn) pause() {
	if c.raw.GetAutocommit() {
		c.kept.open = false
		return
	}
	k, keep := &c.kept, &c.db.keep
	if k.open && keep.fresh(k) && keep.index.header() == k.header && keep.index.short() {
		keep.arm()
		return
	}
	c.drop()
}

// drop ends the transaction of a reader.
func (c *Conn) drop() {
	if c.kept.open && !c.kept.used {
		c.kept.skip = keepSkip
	}
	c.kept.open = false
	if !c.raw.GetAutocommit() {
		// A read transaction ends whatever happens; only a broken connection says otherwise, and its next user sees that.
		_ = c.do(rollback)
	}
}

func (k *keeper) fresh(s *kept) bool { return k.tick.Load()-s.tick < keepTicks }

func (k *keeper) arm() {
	if !k.armed.Load() && k.armed.CompareAndSwap(false, true) {
		k.timer.Reset(keepTick)
	}
}

// sweep ends the snapshots of readers that are not in use and have kept theirs for long enough. It comes again as long
// as there may be others.
func (db *DB) sweep() {
	db.keep.armed.Store(false)
	db.keep.tick.Add(1)
	more := false
	for _, c := range db.readers.all {
		if !c.busy.CompareAndSwap(false, true) {
			more = true
			continue
		}
		if c.kept.open && !db.keep.fresh(&c.kept) {
			c.drop()
		}
		more = more || c.kept.open
		db.readers.put(c)
	}
	if more && !db.readers.closed.Load() {
		db.keep.arm()
	}
}
