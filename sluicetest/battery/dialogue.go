package battery

import (
	"fmt"
	"io"
	"net/http"
	"time"
)

// dialogue is a case in which the client waits for the server before it goes on. run tells what is wrong.
type dialogue struct {
	name string
	run  func(t *Target, c *conn) string
}

// dialogues are about 100 Continue, and about answers that come before a request is whole.
func dialogues() []dialogue {
	const expecting = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
	const read = "POST a / [] [] abc"
	return []dialogue{
		{"dialogue (RFC 9110 10.1.1): 100 Continue comes before the body does", func(_ *Target, c *conn) string {
			io.WriteString(c, expecting+"Content-Length: 3\r\n\r\n")
			if got := c.interim(100); got != "" {
				return got
			}
			io.WriteString(c, "abc"+second)
			return c.echoes(read, secondEcho)
		}},
		{"dialogue (RFC 9110 10.1.1): 100 Continue comes before the chunks do", func(_ *Target, c *conn) string {
			io.WriteString(c, expecting+"Transfer-Encoding: chunked\r\n\r\n")
			if got := c.interim(100); got != "" {
				return got
			}
			io.WriteString(c, "3\r\nabc\r\n0\r\n\r\n"+second)
			return c.echoes(read, secondEcho)
		}},
		{"dialogue (RFC 9110 10.1.1): HTTP/1.0 gets no 100 Continue", func(_ *Target, c *conn) string {
			io.WriteString(c, "POST / HTTP/1.0\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
			if got := c.silent(); got != "" {
				return got
			}
			io.WriteString(c, "abc")
			return c.echoes(read)
		}},
		{"dialogue (RFC 9110 10.1.1): nobody waits for 100 Continue that did not ask", func(_ *Target, c *conn) string {
			io.WriteString(c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n")
			if got := c.silent(); got != "" {
				return got
			}
			io.WriteString(c, "abc"+second)
			return c.echoes(read, secondEcho)
		}},
		{"dialogue (RFC 9110 10.1.1): a body that is too long is not asked for", func(t *Target, c *conn) string {
			io.WriteString(c, expecting+"Content-Length: "+decimal(t.MaxBody+1)+"\r\n\r\n")
			return c.refuses(413)
		}},
		{"dialogue (RFC 9110 10.1.1): a body whose framing is in doubt is not asked for", func(_ *Target, c *conn) string {
			io.WriteString(c, expecting+"Content-Length: 3\r\nContent-Length: 4\r\n\r\n")
			return c.refuses(400)
		}},
		{"dialogue (RFC 9112 9.3): a connection rests between two requests", func(_ *Target, c *conn) string {
			for range 3 {
				io.WriteString(c, second)
				if got := c.echoes(secondEcho); got != "" {
					return got
				}
				if got := c.silent(); got != "" {
					return got
				}
			}
			return ""
		}},
		{"dialogue (RFC 9112 9.6): the client ends what it sends, and gets all its answers", func(_ *Target, c *conn) string {
			io.WriteString(c, second+"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
			c.CloseWrite()
			if got := c.echoes(secondEcho, read); got != "" {
				return got
			}
			return c.end(&answer{status: 200})
		}},
	}
}

// interim wants an interim answer, which is no other.
func (c *conn) interim(status int) string {
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return c.instead(err).Error()
	}
	if response.StatusCode != status {
		return fmt.Sprintf("%s, want %d", response.Status, status)
	}
	return ""
}

// silent wants nothing to come for a while.
func (c *conn) silent() string {
	c.SetReadDeadline(time.Now().Add(quiet / 5))
	defer c.SetReadDeadline(time.Now().Add(patience))
	if _, err := c.reader.Peek(1); !late(err) {
		return fmt.Sprintf("%.100q and %v, where nothing is to come", c.raw.String(), err)
	}
	return ""
}

// echoes wants answers with those bodies, and no interim ones.
func (c *conn) echoes(bodies ...string) string {
	for _, body := range bodies {
		response, err := http.ReadResponse(c.reader, nil)
		if err != nil {
			return c.instead(err).Error()
		}
		p, err := io.ReadAll(response.Body)
		if response.StatusCode != 200 || err != nil || string(p) != body {
			return fmt.Sprintf("%s with %.100q and %v, want %.100q", response.Status, p, err, body)
		}
	}
	return ""
}

// refuses wants one answer, and then the end.
func (c *conn) refuses(status int) string {
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return c.instead(err).Error()
	}
	if response.StatusCode != status || !response.Close {
		return fmt.Sprintf("%s, want %d and Connection: close", response.Status, status)
	}
	rest, err := io.ReadAll(response.Body)
	if err != nil && !(c.nethttp && c.isEnd(err)) {
		return c.instead(err).Error()
	}
	return c.end(&answer{status: status, body: string(rest)})
}

// talk has one dialogue.
func (r *run) talk(d dialogue) {
	r.mu.Lock()
	r.report.Sent++
	r.mu.Unlock()
	c, err := r.target.dial(r.target.Address)
	if err != nil {
		r.fault(Fault{Case: d.name, Got: err.Error()})
		return
	}
	defer c.close()
	if got := d.run(r.target, c); got != "" {
		r.fault(Fault{Case: d.name, Way: "step by step", Got: got, Want: "what the case says"})
	}
}
