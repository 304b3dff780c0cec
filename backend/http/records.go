package http

import (
	"encoding/binary"
	"errors"
	"net"
)

// records is a connection below TLS, which knows whether TLS has read beyond what was asked of it: TLS keeps for itself what
// comes with the records that it reads.
type records struct {
	net.Conn
	// shut has reads find nothing.
	shut bool
	// have is how much of a record's header has come, left how much of the record is to come (RFC 8446, section 5.1).
	have, left int
	head       [5]byte
}

// errShut is no failure to TLS: it may read again.
var errShut error = shutError{}

type shutError struct{}

func (shutError) Error() string   { return "nothing is read now" }
func (shutError) Timeout() bool   { return true }
func (shutError) Temporary() bool { return true }

// Read reads records.
func (r *records) Read(p []byte) (int, error) {
	if r.shut {
		return 0, errShut
	}
	n, err := r.Conn.Read(p)
	r.follow(p[:n])
	return n, err
}

// follow notes where in a record what has come ends.
func (r *records) follow(p []byte) {
	for len(p) > 0 {
		if r.left > 0 {
			n := min(r.left, len(p))
			r.left, p = r.left-n, p[n:]
			continue
		}
		n := copy(r.head[r.have:], p)
		if r.have, p = r.have+n, p[n:]; r.have == len(r.head) {
			r.have, r.left = 0, int(binary.BigEndian.Uint16(r.head[3:]))
		}
	}
}

// quiet tells whether TLS, which is above, has nothing left of what it has read. A byte may be gone when it has.
func (r *records) quiet(above net.Conn) bool {
	if r.left > 0 || r.have > 0 {
		return false
	}
	r.shut = true
	var one [1]byte
	n, err := above.Read(one[:])
	r.shut = false
	return n == 0 && errors.Is(err, errShut)
}
