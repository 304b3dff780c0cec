package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// serveBetween is the server that the conformance suite tries: the suite's reference server, which reads what it is to be
// from standard input, and a node before it. The answer on standard output names the node instead of the server.
func serveBetween(ctx context.Context, dir string) error {
	s := &stage{dir: dir, program: filepath.Join(dir, "sluice")}
	server := exec.CommandContext(ctx, filepath.Join(dir, "tools", "referenceserver"))
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	server.Stdin, server.Stderr = os.Stdin, os.Stderr
	out, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return fmt.Errorf("starting the reference server: %w", err)
	}
	answer, err := readSized(out)
	if err != nil {
		return fmt.Errorf("reading where the reference server is: %w", err)
	}
	at, err := parseServer(answer)
	if err != nil {
		return err
	}
	n, err := s.passing(ctx, at.address(), "connectrpc.conformance.v1.ConformanceService")
	if err != nil {
		return err
	}
	defer n.kill()
	host, port, err := net.SplitHostPort(n.http)
	if err != nil {
		return err
	}
	if at.port, err = strconv.ParseUint(port, 10, 16); err != nil {
		return err
	}
	at.host = host
	if err := writeSized(os.Stdout, at.message()); err != nil {
		return err
	}
	return server.Wait()
}

// compatServer is a connectrpc.conformance.v1.ServerCompatResponse without TLS: where a server is.
type compatServer struct {
	host string
	port uint64
}

func (c compatServer) address() string {
	return net.JoinHostPort(c.host, strconv.FormatUint(c.port, 10))
}

// message is the message on the wire: the host is field 1, the port field 2.
func (c compatServer) message() []byte {
	p := append(binary.AppendUvarint([]byte{1<<3 | 2}, uint64(len(c.host))), c.host...)
	return binary.AppendUvarint(append(p, 2<<3), c.port)
}

var errCompat = errors.New("the reference server does not say where it is")

func parseServer(p []byte) (c compatServer, err error) {
	for len(p) > 0 {
		tag := p[0]
		n, size := binary.Uvarint(p[1:])
		if size <= 0 {
			return c, errCompat
		}
		p = p[1+size:]
		switch {
		case tag == 2<<3:
			c.port = n
		case tag&7 == 2 && n <= uint64(len(p)):
			if tag == 1<<3|2 {
				c.host = string(p[:n])
			}
			p = p[n:]
		default:
			return c, errCompat
		}
	}
	if c.port == 0 {
		return c, errCompat
	}
	return c, nil
}

// readSized reads a message with its size in four bytes before it, as the suite writes them.
func readSized(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	const most = 1 << 20
	n := binary.BigEndian.Uint32(size[:])
	if n > most {
		return nil, fmt.Errorf("a message of %d bytes", n)
	}
	p := make([]byte, n)
	_, err := io.ReadFull(r, p)
	return p, err
}

func writeSized(w io.Writer, message []byte) error {
	p := binary.BigEndian.AppendUint32(nil, uint32(len(message)))
	_, err := w.Write(append(p, message...))
	return err
}
