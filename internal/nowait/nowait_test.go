package nowait

import (
	"io"
	"net"
	"testing"
)

// pair is a connection's two ends.
func pair(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); d.Close() })
	return c.(*net.TCPConn), d.(*net.TCPConn)
}

func TestReadAndWrite(t *testing.T) {
	t.Parallel()
	if !Works {
		t.Skip("sockets cannot be read within a wait here")
	}
	a, b := pair(t)
	raw, err := b.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 16)
	raw.Read(func(fd uintptr) bool {
		if n, err := Read(fd, p); n != 0 || err != nil {
			t.Errorf("before anything came: %d, %v", n, err)
		}
		return true
	})
	io.WriteString(a, "word")
	raw.Read(func(fd uintptr) bool {
		n, err := Read(fd, p)
		if n == 0 && err == nil {
			return false
		}
		if string(p[:n]) != "word" || err != nil {
			t.Errorf("%q, %v", p[:n], err)
		}
		if n, err := Write(fd, []byte("answer")); n != 6 || err != nil {
			t.Errorf("written %d, %v", n, err)
		}
		return true
	})
	if n, err := io.ReadFull(a, p[:6]); string(p[:n]) != "answer" || err != nil {
		t.Errorf("%q, %v", p[:n], err)
	}
	raw.Control(func(fd uintptr) {
		large := make([]byte, 1<<20)
		for n := 1; n > 0; {
			if n, err = Write(fd, large); err != nil {
				t.Error(err)
			}
		}
	})
	a.CloseWrite()
	raw.Read(func(fd uintptr) bool {
		n, err := Read(fd, p)
		if n == 0 && err == nil {
			return false
		}
		if n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
		return true
	})
}
