//go:build !unix

package postgres

import "net"

// probe cannot look into a socket here; a connection that was closed shows itself when it is used.
type probe struct{}

func (*probe) init(net.Conn) {}

func (*probe) quiet() bool { return true }
