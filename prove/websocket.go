package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// websocket is about WebSockets (RFC 6455) through a node: what passes is bytes, both ways, as they are.
func (t *httpTrial) websocket(ctx context.Context) error {
	raw, err := startRawService()
	if err != nil {
		return err
	}
	defer raw.close()
	chat, err := startChat()
	if err != nil {
		return err
	}
	defer chat.close()
	path, err := t.write("websocket.yaml", listening(time.Minute, time.Minute, time.Minute, time.Minute)+socketEndpoints(raw.address, chat.address))
	if err != nil {
		return err
	}
	n, err := t.start(ctx, path)
	if err != nil {
		return err
	}
	defer n.kill()
	s := &socketTrial{node: n.http, raw: raw}
	row := httpRow{name: "WebSockets"}
	for i, c := range append(socketCases(), chatCases()...) {
		row.cases++
		if err := c.run(ctx, s, fmt.Sprintf("k%d", i)); err != nil {
			row.bad, row.faults = row.bad+1, append(row.faults, fmt.Sprintf("%s: %v", c.name, err))
		}
	}
	if row.cases < fewestSocketCases {
		return fmt.Errorf("there are %d cases only; want %d", row.cases, fewestSocketCases)
	}
	t.rows = append(t.rows, row)
	return nil
}

// silence is how long a WebSocket may be silent where that is bounded.
const silence = 2 * time.Second

func socketEndpoints(raw, chat string) string {
	return fmt.Sprintf(`backends:
  raw:
    http: {urls: ["http://%s"]}
  short:
    http:
      urls: ["http://%[1]s"]
      timeouts: {tunnel: %s}
  chat:
    http: {urls: ["http://%s"]}
endpoints:
  raw:
    route: "* /raw/{rest...}"
    http: {backend: raw, host: pass}
  short:
    route: GET /short/{rest...}
    http: {backend: short}
  refused:
    route: GET /refused/{rest...}
    policies:
      - ip_filter: {deny: ["127.0.0.0/8"]}
    http: {backend: raw}
  chat:
    route: GET /chat/{rest...}
    http: {backend: chat}
`, raw, silence, chat)
}

// socketCase is one rule.
type socketCase struct {
	name string
	run  func(ctx context.Context, s *socketTrial, key string) error
}

// socketTrial is a node before two services: one that is a case's own, byte by byte, and one that speaks WebSocket.
type socketTrial struct {
	node string
	raw  *rawService
}

// side is one end of a WebSocket, byte by byte.
type side struct {
	net.Conn
	r    *bufio.Reader
	head string // what it was sent first, to the empty line
}

func newSide(c net.Conn) *side {
	c.SetDeadline(time.Now().Add(patience))
	return &side{Conn: c, r: bufio.NewReader(c)}
}

// readHead reads the head of a message.
func (s *side) readHead() error {
	var head strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		head.WriteString(line)
		if err != nil {
			return fmt.Errorf("%q and then %w", head.String(), err)
		}
		if line == "\r\n" {
			s.head = head.String()
			return nil
		}
	}
}

func (s *side) send(p []byte) error {
	_, err := s.Write(p)
	return err
}

// want reads as many bytes, which must be those.
func (s *side) want(p []byte) error {
	got := make([]byte, len(p))
	n, err := io.ReadFull(s.r, got)
	if err != nil {
		return fmt.Errorf("got %.100q and then %w; want %.100q", got[:n], err, p)
	}
	if !bytes.Equal(got, p) {
		return fmt.Errorf("got %.100q, want %.100q", got, p)
	}
	return nil
}

// ends waits for the end, before which nothing may come.
func (s *side) ends() error {
	p, err := io.ReadAll(s.r)
	if late, ok := errors.AsType[net.Error](err); ok && late.Timeout() {
		return errors.New("the connection stays open")
	}
	if len(p) > 0 {
		return fmt.Errorf("got %.100q, want the end", p)
	}
	return nil
}

// endSending ends what this side sends.
func (s *side) endSending() error { return s.Conn.(*net.TCPConn).CloseWrite() }

// passes sends bytes from one side and wants them at the other.
func passes(from, to *side, p []byte) error {
	if err := from.send(p); err != nil {
		return err
	}
	return to.want(p)
}

// rawService hands every connection, its first head read, to the case that its path names.
type rawService struct {
	listener net.Listener
	address  string
	running  sync.WaitGroup

	mu    sync.Mutex // guards waits
	waits map[string]chan *side
}

func startRawService() (*rawService, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &rawService{listener: l, address: l.Addr().String(), waits: map[string]chan *side{}}
	r.running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.running.Go(func() { r.hand(newSide(c)) })
		}
	})
	return r, nil
}

func (r *rawService) close() {
	r.listener.Close()
	r.running.Wait()
}

func (r *rawService) hand(s *side) {
	if s.readHead() == nil {
		line, _, _ := strings.Cut(s.head, " HTTP/")
		if wait := r.wait(line[strings.LastIndexByte(line, '/')+1:]); wait != nil {
			wait <- s
			return
		}
	}
	s.Close()
}

// expect has the next connection for a key be handed over.
func (r *rawService) expect(key string) <-chan *side {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waits[key] = make(chan *side, 1)
	return r.waits[key]
}

func (r *rawService) wait(key string) chan *side {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait := r.waits[key]
	delete(r.waits, key)
	return wait
}

// handshake is what a client asks with, and switching what the service answers.
const (
	handshake = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// ask sends a request with a head and what stands behind it; the service's side comes when the node has passed it on.
func (s *socketTrial) ask(line, fields, early, key string) (client *side, service <-chan *side, err error) {
	service = s.raw.expect(key)
	c, err := net.Dial("tcp", s.node)
	if err != nil {
		return nil, nil, err
	}
	client = newSide(c)
	return client, service, client.send([]byte(line + "\r\nHost: prove\r\n" + fields + "\r\n" + early))
}

// meet waits for the service's side.
func meet(service <-chan *side) (*side, error) {
	select {
	case s := <-service:
		return s, nil
	case <-time.After(patience):
		return nil, errors.New("the service is not asked")
	}
}

// reach asks, and waits for the service's side. Both sides are to be shut, also when there is an error.
func (s *socketTrial) reach(line, fields, early, key string) (client, service *side, err error) {
	client, asked, err := s.ask(line, fields, early, key)
	if err == nil {
		service, err = meet(asked)
	}
	return client, service, err
}

// open opens a WebSocket between two raw sides; early is sent right behind the request, and along behind the answer.
func (s *socketTrial) open(path, early, along, key string) (client, service *side, err error) {
	client, service, err = s.reach("GET "+path+key+" HTTP/1.1", handshake, early, key)
	if err != nil {
		return client, service, err
	}
	if err = service.send([]byte(switching + along)); err == nil {
		err = client.readHead()
	}
	if err == nil && !strings.HasPrefix(client.head, "HTTP/1.1 101 ") {
		err = fmt.Errorf("the answer %q", client.head)
	}
	return client, service, err
}

// opened makes a case of what is done with an open WebSocket.
func opened(name string, run func(client, service *side) error) socketCase {
	return socketCase{name, func(_ context.Context, s *socketTrial, key string) error {
		client, service, err := s.open("/raw/", "", "", key)
		defer shut(client, service)
		if err != nil {
			return err
		}
		return run(client, service)
	}}
}

// shut closes what is open of two sides.
func shut(sides ...*side) {
	for _, s := range sides {
		if s != nil {
			s.Close()
		}
	}
}
