package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"
)

// client is a strict HTTP/1.1 client on one connection at a time. Unlike net/http's it never sends a request again:
// what fails is told. It keeps its connection until an answer says Connection: close, or a request fails. It is used
// by one goroutine at a time.
type client struct {
	address string
	from    string // the address of this side; "" is any
	conn    net.Conn
	reader  *bufio.Reader
	body    bytes.Buffer
}

// answer is a whole response; its body is borrowed until the next request of its client.
type answer struct {
	status int
	header http.Header
	body   []byte
	leave  bool // it came with Connection: close
}

// request is one request as it goes over the wire.
type request struct {
	method string
	bytes  []byte
}

func get(path string) request {
	return request{"GET", []byte("GET " + path + " HTTP/1.1\r\nHost: prove\r\n\r\n")}
}

// bearing is a GET with a token.
func bearing(path, token string) request {
	return request{"GET", []byte("GET " + path + " HTTP/1.1\r\nHost: prove\r\nAuthorization: Bearer " + token + "\r\n\r\n")}
}

func post(path string, body []byte) request {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: prove\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", path, len(body))
	return request{"POST", append([]byte(head), body...)}
}

// dialError is why there is no connection: nothing was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return "connecting: " + e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// refused tells that nobody listens any more: no connection was made, so nothing was sent.
func refused(err error) bool {
	_, dialing := errors.AsType[*dialError](err)
	return dialing && (errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET))
}

// do sends a request and reads the whole answer. An answer that ends before its framing says so is an error.
func (c *client) do(r request) (a answer, err error) {
	defer func() {
		if err != nil || a.leave {
			c.close()
		}
	}()
	if c.conn == nil {
		dialer := net.Dialer{Timeout: patience}
		if c.from != "" {
			dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(c.from)}
		}
		if c.conn, err = dialer.Dial("tcp", c.address); err != nil {
			return a, &dialError{err}
		}
		c.reader = bufio.NewReaderSize(c.conn, 16<<10)
	}
	if err := c.conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		return a, err
	}
	if _, err := c.conn.Write(r.bytes); err != nil {
		return a, fmt.Errorf("sending: %w", err)
	}
	response, err := http.ReadResponse(c.reader, &http.Request{Method: r.method})
	if err != nil {
		return a, fmt.Errorf("reading the answer: %w", err)
	}
	c.body.Reset()
	if _, err := io.Copy(&c.body, response.Body); err != nil {
		return a, fmt.Errorf("after %d bytes of the answer's body: %w", c.body.Len(), err)
	}
	return answer{response.StatusCode, response.Header, c.body.Bytes(), response.Close}, nil
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}
