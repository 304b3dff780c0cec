package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// sort is a way of being slow.
type sort struct {
	name  string
	start string        // what is sent at once
	drip  string        // sent over and over, a byte per second
	limit time.Duration // by when the node must have cut it off
	reads bool          // it reads a byte per second of a large answer, and sends no more
}

func sorts() []sort {
	const head = " HTTP/1.1\r\nHost: prove\r\n"
	const long = "Content-Type: application/json\r\nContent-Length: 4096\r\n\r\n{"
	return []sort{
		{name: "slow header", start: "GET /generation" + head + "X-Slow: ", drip: "x", limit: headerTimeout},
		{name: "slow body", start: "POST /echo" + head + long, drip: " ", limit: requestTimeout},
		{name: "slow input", start: "POST /buffered" + head + long, drip: " ", limit: requestTimeout},
		{name: "slow read", start: "GET /files/large" + head + "\r\n", limit: bodyTimeout, reads: true},
	}
}

// slowConn is one slow connection while it lives.
type slowConn struct {
	sort  sort
	conn  *net.TCPConn
	began time.Time
	read  int64
	over  chan struct{} // closed when the connection is to end
	gone  atomic.Bool   // the node hung up
	all   sync.WaitGroup
}

// narrow makes a socket that takes in little, with segments as on a wire: otherwise the systems at both ends would hold
// megabytes between them, and nobody would notice a slow reader.
func narrow(_, _ string, c syscall.RawConn) error {
	const buffer, segment = 4096, 1460
	var err error
	if e := c.Control(func(fd uintptr) {
		err = errors.Join(syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer),
			syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment))
	}); e != nil {
		return e
	}
	return err
}

// open opens a connection of the sort, which goes on being slow until it is cut off, or end.
func (s sort) open(address string) (*slowConn, error) {
	d := net.Dialer{Timeout: patience}
	if s.reads {
		d.Control = narrow
	}
	conn, err := d.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, s.start); err != nil {
		conn.Close()
		return nil, err
	}
	c := &slowConn{sort: s, conn: conn.(*net.TCPConn), began: time.Now(), over: make(chan struct{})}
	if s.reads {
		c.all.Go(c.sip)
		return c, nil
	}
	c.all.Go(c.drip)
	c.all.Go(c.listen)
	return c, nil
}

// drip sends a byte per second.
func (c *slowConn) drip() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, err := io.WriteString(c.conn, c.sort.drip); err != nil {
				return
			}
		case <-c.over:
			return
		}
	}
}

// listen reads until the node hangs up.
func (c *slowConn) listen() {
	io.Copy(io.Discard, c.conn)
	c.gone.Store(true)
}

// sip reads a byte per second.
func (c *slowConn) sip() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var one [1]byte
	for {
		select {
		case <-tick.C:
			n, err := c.conn.Read(one[:])
			c.read += int64(n)
			if err != nil {
				return
			}
		case <-c.over:
			return
		}
	}
}

// cut ends the connection and tells whether the node had cut it off before. A slow reader sees that only when it
// takes in what is still on the way: it must be less than the whole.
func (c *slowConn) cut() error {
	if !c.sort.reads {
		gone := c.gone.Load()
		c.end()
		if !gone {
			return fmt.Errorf("a connection lives on after %s", seconds(time.Since(c.began)))
		}
		return nil
	}
	if err := c.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	close(c.over)
	c.all.Wait()
	defer c.conn.Close()
	n, err := io.Copy(io.Discard, c.conn)
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return errors.New("a slow reader's connection lives on")
	}
	if c.read += n; c.read >= largeFile {
		return errors.New("a slow reader got the whole answer")
	}
	return nil
}

// end closes the connection and waits for its goroutines. It may be called more than once.
func (c *slowConn) end() {
	select {
	case <-c.over:
		return
	default:
	}
	close(c.over)
	c.conn.Close()
	c.all.Wait()
}
