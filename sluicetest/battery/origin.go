package battery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Origin is an upstream that records what it is sent and answers with given bytes. A request names its case by the first
// segment of its path.
type Origin struct {
	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	acts   map[string]*act
	conns  map[net.Conn]struct{}
	closed bool
	faults []Fault
}

// act is what an origin does for one case.
type act struct {
	name string
	// pieces are what is answered, with a pause before each but the first.
	pieces []string
	// closes has the connection closed behind the answer.
	closes bool
	// poisoned is set for an answer after which the connection may not be used again.
	poisoned bool

	seen chan *message // each request, as it was read
	errs chan error    // why one could not be read
	gone chan struct{} // closed when a connection that was poisoned is closed by the node
}

// NewOrigin listens on a free port of loopback. Close must be called when it is not needed any more.
func NewOrigin() (*Origin, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	o := &Origin{listener: l, acts: map[string]*act{}, conns: map[net.Conn]struct{}{}}
	o.running.Go(o.accept)
	return o, nil
}

// Address is host and port.
func (o *Origin) Address() string { return o.listener.Addr().String() }

// Close closes all connections and waits for what serves them.
func (o *Origin) Close() {
	o.listener.Close()
	o.mu.Lock()
	o.closed = true
	for c := range o.conns {
		c.Close()
	}
	o.mu.Unlock()
	o.running.Wait()
}

func (o *Origin) accept() {
	for {
		c, err := o.listener.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		if o.closed {
			c.Close()
		}
		o.conns[c] = struct{}{}
		o.mu.Unlock()
		o.running.Go(func() {
			o.serve(c)
			c.Close()
			o.mu.Lock()
			delete(o.conns, c)
			o.mu.Unlock()
		})
	}
}

// play has requests that name the act be answered so, until drop.
func (o *Origin) play(key string, a *act) {
	a.seen, a.errs, a.gone = make(chan *message, 4), make(chan error, 4), make(chan struct{})
	o.mu.Lock()
	defer o.mu.Unlock()
	o.acts[key] = a
}

func (o *Origin) drop(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.acts, key)
}

func (o *Origin) find(start string) *act {
	_, path, _ := strings.Cut(start, " /")
	key := path[:max(0, strings.IndexAny(path+" ", "/?;% "))]
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.acts[key]
}

// Answers of an origin to requests that are of no case.
const (
	plainAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"
	noAct       = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
)

// serve answers the requests of one connection.
func (o *Origin) serve(c net.Conn) {
	var raw bytes.Buffer
	r := bufio.NewReaderSize(io.TeeReader(c, &raw), 128<<10)
	var poison *act
	for {
		_, err := r.Peek(1)
		switch {
		case poison != nil && err != nil:
			close(poison.gone)
			return
		case err != nil:
			return
		case poison != nil:
			o.fault(Fault{Case: poison.name, Way: "afterwards", Got: fmt.Sprintf("%.100q over the same connection", raw.String()),
				Want: "a connection that is never used again", Sent: strings.Join(poison.pieces, "")})
			close(poison.gone)
			return
		}
		a, keep := o.answer(c, r)
		if raw.Reset(); !keep {
			return
		}
		if a != nil && a.poisoned {
			poison = a
		}
	}
}

// answer reads a request and answers it. keep tells whether the connection goes on.
func (o *Origin) answer(c net.Conn, r *bufio.Reader) (a *act, keep bool) {
	head, err := r.Peek(r.Buffered())
	for err == nil && !bytes.Contains(head, []byte("\r\n\r\n")) { // the first line tells the case
		if _, err = r.Peek(r.Buffered() + 1); err == nil {
			head, err = r.Peek(r.Buffered())
		}
	}
	line, _, _ := strings.Cut(string(head), "\r\n")
	if a = o.find(line); a == nil {
		m, err := readMessage(r, noRequestBody)
		if err != nil {
			return nil, false
		}
		text := noAct
		if strings.Contains(m.start, " /plain ") {
			text = plainAnswer
		}
		_, err = io.WriteString(c, text)
		return nil, err == nil
	}
	if strings.Contains(string(head), "\r\nExpect: 100-continue\r\n") {
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
	}
	m, err := readMessage(r, noRequestBody)
	if err != nil {
		a.errs <- err
		return a, false
	}
	select {
	case a.seen <- m:
	default: // a request that was sent once more: the first tells what is to be told
	}
	for i, text := range a.pieces {
		if i > 0 {
			time.Sleep(apart)
		}
		if _, err := io.WriteString(c, text); err != nil {
			return a, a.poisoned && !a.closes
		}
	}
	return a, !a.closes
}

func (o *Origin) fault(f Fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = append(o.faults, f)
}

// takeFaults are the faults that were seen so far.
func (o *Origin) takeFaults() (all []Fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	all, o.faults = o.faults, nil
	return all
}

var errLate = errors.New("nothing comes")

// receive waits for what an act tells.
func (a *act) receive() (*message, error) {
	select {
	case m := <-a.seen:
		return m, nil
	case err := <-a.errs:
		return nil, err
	case <-time.After(patience):
		return nil, errLate
	}
}
