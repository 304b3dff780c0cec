//go:build !unix

package postgres

import "net"

// sender writes a request.
type sender struct{}

func (*sender) init(net.Conn) {}

func (*sender) send(c net.Conn, data []byte) (int, error) { return c.Write(data) }
