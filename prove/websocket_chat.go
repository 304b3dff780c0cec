package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// chatService speaks WebSocket with the library coder/websocket, and gives every message back.
type chatService struct {
	server  *http.Server
	address string
	done    chan struct{}
}

// chatLimit is the longest message that the service takes.
const chatLimit = 1 << 20

func startChat() (*chatService, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &chatService{address: l.Addr().String(), done: make(chan struct{}), server: &http.Server{Handler: http.HandlerFunc(serveChat), ErrorLog: silent()}}
	go func() {
		defer close(s.done)
		if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			progress("the chat ended: " + err.Error())
		}
	}()
	return s, nil
}

func (s *chatService) close() {
	s.server.Close()
	<-s.done
}

func serveChat(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true, Subprotocols: []string{"chat"}, CompressionMode: websocket.CompressionContextTakeover})
	if err != nil {
		return
	}
	defer c.CloseNow()
	c.SetReadLimit(chatLimit)
	for {
		kind, p, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if string(p) == "leave" {
			c.Close(4321, "as you wish")
			return
		}
		if err := c.Write(r.Context(), kind, p); err != nil {
			return
		}
	}
}

// dialChat opens a WebSocket with the library's client.
func (s *socketTrial) dialChat(ctx context.Context, o websocket.DialOptions) (*websocket.Conn, error) {
	c, _, err := websocket.Dial(ctx, "ws://"+s.node+"/chat/x", &o)
	if err != nil {
		return nil, err
	}
	c.SetReadLimit(2 * chatLimit)
	return c, nil
}

// echoes sends a message and wants it back.
func echoes(ctx context.Context, c *websocket.Conn, kind websocket.MessageType, p []byte) error {
	if err := c.Write(ctx, kind, p); err != nil {
		return err
	}
	k, got, err := c.Read(ctx)
	if err != nil {
		return err
	}
	if k != kind || !bytes.Equal(got, p) {
		return fmt.Errorf("a message of %d bytes came back as one of %d", len(p), len(got))
	}
	return nil
}

// chatted makes a case of what is done with the library's client.
func chatted(name string, o websocket.DialOptions, run func(context.Context, *websocket.Conn) error) socketCase {
	return socketCase{name, func(ctx context.Context, s *socketTrial, _ string) error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		c, err := s.dialChat(ctx, o)
		if err != nil {
			return err
		}
		defer c.CloseNow()
		return run(ctx, c)
	}}
}

// chatCases have coder/websocket at both ends.
func chatCases() []socketCase {
	long := bytes.Repeat([]byte("the same again and again, "), 30_000)
	several := func(ctx context.Context, c *websocket.Conn) error {
		return errors.Join(echoes(ctx, c, websocket.MessageText, []byte("hello")), echoes(ctx, c, websocket.MessageBinary, nil),
			echoes(ctx, c, websocket.MessageText, long), echoes(ctx, c, websocket.MessageText, long), c.Ping(c.CloseRead(ctx)))
	}
	return []socketCase{
		chatted("coder/websocket: messages, and a ping", websocket.DialOptions{}, several),
		chatted("coder/websocket: compression with a window that is kept (RFC 7692)", websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover}, several),
		chatted("coder/websocket: compression of each message (RFC 7692)", websocket.DialOptions{CompressionMode: websocket.CompressionNoContextTakeover}, several),
		chatted("coder/websocket: a subprotocol (RFC 6455 1.9)", websocket.DialOptions{Subprotocols: []string{"other", "chat"}}, func(ctx context.Context, c *websocket.Conn) error {
			if c.Subprotocol() != "chat" {
				return fmt.Errorf("the subprotocol %q, want chat", c.Subprotocol())
			}
			return echoes(ctx, c, websocket.MessageText, []byte("hello"))
		}),
		chatted("coder/websocket: a message that is too long is 1009 (RFC 6455 7.4.1)", websocket.DialOptions{}, func(ctx context.Context, c *websocket.Conn) error {
			c.Write(ctx, websocket.MessageBinary, make([]byte, chatLimit+1)) // which may be cut short by the answer
			_, _, err := c.Read(ctx)
			if got := websocket.CloseStatus(err); got != websocket.StatusMessageTooBig {
				return fmt.Errorf("it ended with %v, want 1009", err)
			}
			return nil
		}),
		chatted("coder/websocket: the service leaves with a status of its own", websocket.DialOptions{}, func(ctx context.Context, c *websocket.Conn) error {
			if err := c.Write(ctx, websocket.MessageText, []byte("leave")); err != nil {
				return err
			}
			_, _, err := c.Read(ctx)
			if got := websocket.CloseStatus(err); got != 4321 || !strings.Contains(err.Error(), "as you wish") {
				return fmt.Errorf("it ended with %v, want 4321 and its reason", err)
			}
			return nil
		}),
		chatted("coder/websocket: the client leaves in good order", websocket.DialOptions{}, func(ctx context.Context, c *websocket.Conn) error {
			return errors.Join(echoes(ctx, c, websocket.MessageText, []byte("hello")), c.Close(websocket.StatusNormalClosure, "done"))
		}),
		{"coder/websocket: a hundred at once", func(ctx context.Context, s *socketTrial, _ string) error {
			ctx, cancel := context.WithTimeout(ctx, 2*patience)
			defer cancel()
			var all sync.WaitGroup
			errs := make(chan error, 100)
			for i := range cap(errs) {
				all.Go(func() {
					c, err := s.dialChat(ctx, websocket.DialOptions{})
					if err != nil {
						errs <- err
						return
					}
					defer c.CloseNow()
					for range 20 {
						if err := echoes(ctx, c, websocket.MessageText, fmt.Appendf(nil, "I am %d at %s", i, time.Now())); err != nil {
							errs <- err
							return
						}
					}
				})
			}
			all.Wait()
			close(errs)
			return <-errs
		}},
	}
}
