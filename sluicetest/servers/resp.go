package servers

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// respConn speaks RESP2 with a Redis, one command at a time.
type respConn struct {
	net.Conn
	r *bufio.Reader
}

func dialRESP(network, address string, deadline time.Time) (*respConn, error) {
	c, err := (&net.Dialer{Deadline: deadline}).Dial(network, address)
	if err != nil {
		return nil, err
	}
	c.SetDeadline(deadline)
	return &respConn{c, bufio.NewReader(c)}, nil
}

// do returns the lines of an answer: one for a simple one, one for each element of an array, however deep. Nothing is the
// empty string.
func (c *respConn) do(args ...string) ([]string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(c, b.String()); err != nil {
		return nil, err
	}
	return c.answer(nil)
}

func (c *respConn) answer(all []string) ([]string, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], strings.TrimSuffix(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return append(all, text), nil
	case '-':
		return nil, errors.New(text)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("an answer begins with %q", line)
	}
	switch {
	case n < 0:
		return append(all, ""), nil
	case kind == '$':
		value := make([]byte, n+2)
		_, err := io.ReadFull(c.r, value)
		return append(all, string(value[:n])), err
	}
	for range n {
		if all, err = c.answer(all); err != nil {
			return nil, err
		}
	}
	return all, nil
}
