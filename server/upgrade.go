package server

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/h1"
)

var (
	errUnasked   = errors.New("the handler answered 101 to a request that did not ask for a websocket")
	errNoUpgrade = errors.New("the handler answered 101 and gave nobody to take over the connection")
)

func (c *call) checkUpgrade() error {
	switch {
	case !c.websocket:
		return errUnasked
	case c.x.Response.Upgrade == nil:
		return errNoUpgrade
	}
	return nil
}

// upgrade sends the head of a 101 and gives the connection to the response's Upgrade, until that returns.
func (c *call) upgrade() error {
	conn, early, err := c.link.hijack()
	if err != nil {
		return err
	}
	c.tunnel = &tunnel{Conn: conn, early: early}
	defer conn.Close()
	c.core.flights.upgrade(conn)
	defer c.core.flights.downgrade(conn)
	if err := c.switchProtocols(conn); err != nil {
		return err
	}
	c.headed, c.out = true, true
	err = runUpgrade(c.x.Response.Upgrade, c.tunnel)
	if err != nil {
		c.core.logInternal(c.x, err)
	}
	return err
}

func (c *call) switchProtocols(conn net.Conn) error {
	head := append(c.x.Response.Body.Buffer(), "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"...)
	for _, f := range c.x.Response.Header.Fields() {
		switch h1.RoleOf(f.Name) {
		case h1.Content, h1.Trailer, h1.Expect:
			if sluice.ValidFieldName(f.Name) && h1.OneLine(f.Value) {
				head = h1.AppendField(head, f.Name, f.Value)
			}
		}
	}
	if t := c.core.limits.BodyTimeout; t > 0 {
		conn.SetWriteDeadline(time.Now().Add(t))
	}
	if _, err := conn.Write(append(head, "\r\n"...)); err != nil {
		return err
	}
	return conn.SetDeadline(time.Time{})
}

func runUpgrade(run func(net.Conn), conn net.Conn) (err error) {
	defer recoverAs(&err)
	run(conn)
	return nil
}

// tunnel is an upgraded connection: what the client sent early comes first, and bytes are counted.
type tunnel struct {
	net.Conn
	early          []byte
	received, sent atomic.Int64
}

// Read reads early bytes first.
func (t *tunnel) Read(p []byte) (n int, err error) {
	if len(t.early) > 0 {
		n = copy(p, t.early)
		t.early = t.early[n:]
	} else {
		n, err = t.Conn.Read(p)
	}
	t.received.Add(int64(n))
	return n, err
}

// Write writes to the client.
func (t *tunnel) Write(p []byte) (n int, err error) {
	n, err = t.Conn.Write(p)
	t.sent.Add(int64(n))
	return n, err
}

// CloseWrite ends what is sent, where the connection can do so, and leaves what is received.
func (t *tunnel) CloseWrite() error {
	if w, ok := t.Conn.(interface{ CloseWrite() error }); ok {
		return w.CloseWrite()
	}
	return errors.ErrUnsupported
}

var (
	_ io.ReadWriteCloser = (*tunnel)(nil)
	_ sluice.Stream      = (*body)(nil)
)
