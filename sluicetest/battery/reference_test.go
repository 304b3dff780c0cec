package battery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestReference holds a plain and slow server, which reads octet by octet, to all cases: what they demand can be done.
func TestReference(t *testing.T) {
	t.Parallel()
	patient, hasty := startReference(t, patience), startReference(t, 300*time.Millisecond)
	target := &Target{Address: patient, MaxHeader: 8 << 10, MaxBody: 64 << 10, Hasty: hasty, Splits: 6}
	for _, report := range []*Report{target.Run(t.Context()), target.Classes(t.Context())} {
		for _, f := range report.Faults {
			t.Error(f)
		}
		t.Logf("%d cases, sent %d times", report.Cases, report.Sent)
	}
}

func startReference(t *testing.T, timeout time.Duration) (address string) {
	t.Helper()
	return listen(t, func(c net.Conn) { (&reference{Conn: c, r: bufio.NewReader(c), timeout: timeout}).serve() })
}

// reference serves one connection.
type reference struct {
	net.Conn
	r       *bufio.Reader
	timeout time.Duration
	room    int // what is left of the header's bytes
	begun   bool
	seen    Seen
	old     bool // HTTP/1.0
	close   bool
	expects bool
	fields  [][2]string
}

// status is an answer as an error.
type status int

func (s status) Error() string { return strconv.Itoa(int(s)) }

func (c *reference) serve() {
	defer c.Conn.Close()
	for {
		err := c.read()
		var code status
		switch {
		case err == nil:
			c.answer(200, c.seen.Echo())
		case errors.As(err, &code):
			c.close = true
			c.answer(int(code), "")
		case errors.Is(err, os.ErrDeadlineExceeded) && c.begun:
			c.close = true
			c.answer(408, "")
		default:
			return
		}
		if c.close { // and the client is to see an end and not a reset
			c.Conn.(*net.TCPConn).CloseWrite()
			c.SetReadDeadline(time.Now().Add(2 * time.Second))
			io.Copy(io.Discard, c.Conn)
			return
		}
	}
}

func (c *reference) answer(code int, body string) {
	head := fmt.Sprintf("HTTP/1.1 %d X\r\nContent-Length: %d\r\n", code, len(body))
	if c.close {
		head += "Connection: close\r\n"
	}
	if c.seen.Method == "HEAD" {
		body = ""
	}
	io.WriteString(c, head+"\r\n"+body)
}

// line reads a line that ends with CRLF, and nothing else that could end one.
func (c *reference) line(long status) (string, error) {
	var line []byte
	for {
		b, err := c.r.ReadByte()
		if err != nil {
			return "", err
		}
		c.begun = true
		if c.room--; c.room < 0 {
			return "", long
		}
		switch {
		case b == '\n':
			return "", status(400)
		case b == '\r':
			if b, err = c.r.ReadByte(); err != nil {
				return "", err
			} else if b != '\n' {
				return "", status(400)
			}
			return string(line), nil
		}
		line = append(line, b)
	}
}

func (c *reference) read() error {
	*c = reference{Conn: c.Conn, r: c.r, timeout: c.timeout, room: 8 << 10}
	c.SetReadDeadline(time.Now().Add(c.timeout))
	line, err := c.line(414)
	if err != nil {
		return err
	}
	parts := strings.Split(line, " ")
	if len(parts) != 3 || parts[0] == "" || !all(parts[0], isTokenByte) || parts[1] == "" || !all(parts[1], func(b byte) bool { return b > ' ' && b != 0x7f }) {
		return status(400)
	}
	if c.old = parts[2] == "HTTP/1.0"; !c.old && parts[2] != "HTTP/1.1" {
		return status(400)
	}
	c.close = c.old
	c.seen.Method, c.seen.Target = parts[0], parts[1]
	if c.fields, err = c.section(431); err != nil {
		return err
	}
	if err := c.heed(); err != nil {
		return err
	}
	return c.route()
}

// section reads field lines to the empty one.
func (c *reference) section(long status) (fields [][2]string, err error) {
	for {
		line, err := c.line(long)
		if err != nil || line == "" {
			return fields, err
		}
		name, value, found := strings.Cut(line, ":")
		value = strings.Trim(value, " \t")
		if !found || name == "" || !all(name, isTokenByte) || !all(value, isValueByte) {
			return nil, status(400)
		}
		fields = append(fields, [2]string{strings.ToLower(name), value})
	}
}

func (c *reference) values(name string) (all []string) {
	for _, f := range c.fields {
		if f[0] == name {
			all = append(all, f[1])
		}
	}
	return all
}

// heed reads what the header says of the connection and of the body, and the body.
func (c *reference) heed() error {
	lengths, codings, hosts := c.values("content-length"), c.values("transfer-encoding"), c.values("host")
	c.seen.X = c.values("x")
	c.expects = slices.Contains(c.values("expect"), "100-continue") && !c.old
	for _, value := range c.values("connection") {
		for option := range strings.SplitSeq(strings.ToLower(value), ",") {
			switch strings.Trim(option, " \t") {
			case "close":
				c.close = true
			case "host", "content-length", "transfer-encoding", "authorization", "cookie":
				return status(400)
			}
		}
	}
	if len(codings) > 1 || len(lengths) > 1 || len(codings)+len(lengths) > 1 || len(codings) == 1 && (c.old || !strings.EqualFold(codings[0], "chunked") || len(codings[0]) != 7) {
		return status(400)
	}
	if len(hosts) != 1 {
		return status(400)
	}
	c.seen.Host = hosts[0]
	switch {
	case len(codings) == 1:
		return c.chunks()
	case len(lengths) == 1:
		n, err := strconv.ParseUint(lengths[0], 10, 63)
		if err != nil || !all(lengths[0], between('0', '9')) {
			return status(400)
		}
		if n > 64<<10 {
			return status(413)
		}
		c.proceed()
		c.seen.Body = make([]byte, n)
		_, err = io.ReadFull(c.r, c.seen.Body)
		return err
	}
	return nil
}

func (c *reference) proceed() {
	if c.expects {
		io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
	}
}

func (c *reference) chunks() error {
	c.proceed()
	const longest = 1 << 10
	for extras := 0; ; {
		c.room = longest
		line, err := c.line(400)
		if err != nil {
			return err
		}
		digits := strings.IndexFunc(line+";", func(r rune) bool { return r > 'f' || !isOtherHex(byte(r)) && r != '0' })
		size, err := strconv.ParseUint(line[:digits], 16, 63)
		if err != nil || !extensions(line[digits:]) {
			return status(400)
		}
		if extras += max(0, len(line)-16-2*int(min(size, 1<<20))); extras > 16<<10 {
			return status(400)
		}
		if size == 0 {
			break
		}
		if size+uint64(len(c.seen.Body)) > 64<<10 {
			return status(413)
		}
		data := make([]byte, size)
		if _, err := io.ReadFull(c.r, data); err != nil {
			return err
		}
		c.seen.Body = append(c.seen.Body, data...)
		c.room = 2
		if line, err := c.line(400); err != nil || line != "" {
			return errors.Join(status(400), err)
		}
	}
	c.room = 8 << 10
	trailer, err := c.section(431)
	if err != nil {
		return err
	}
	for _, f := range trailer {
		if slices.Contains([]string{"content-length", "transfer-encoding", "host", "connection", "authorization", "cookie"}, f[0]) {
			return status(400)
		}
		if f[0] == "t" {
			c.seen.T = append(c.seen.T, f[1])
		}
	}
	if slices.Contains(c.values("trailer"), "Content-Length") {
		return status(400)
	}
	return nil
}

// extensions tells whether text is *( BWS ";" BWS name [ BWS "=" BWS value ] ).
func extensions(text string) bool {
	token := func() bool {
		n := 0
		for n < len(text) && isTokenByte(text[n]) {
			n++
		}
		text = text[n:]
		return n > 0
	}
	space := func() { text = strings.TrimLeft(text, " \t") }
	for text != "" {
		if space(); text == "" || text[0] != ';' {
			return false
		}
		text = text[1:]
		if space(); !token() {
			return false
		}
		rest := text
		if space(); text == "" || text[0] != '=' {
			text = rest
			continue
		}
		text = text[1:]
		if space(); text == "" || text[0] != '"' {
			if !token() {
				return false
			}
			continue
		}
		end := 1
		for ; end < len(text) && text[end] != '"'; end++ {
			if text[end] == '\\' {
				end++
			}
			if end < len(text) && !isValueByte(text[end]) {
				return false
			}
		}
		if end >= len(text) {
			return false
		}
		text = text[end+1:]
	}
	return true
}

// route checks host and target, and puts the target into its one form.
func (c *reference) route() error {
	target := c.seen.Target
	if !hostFits(c.seen.Host) || c.seen.Method == "CONNECT" {
		return status(400)
	}
	if target == "*" && c.seen.Method == "OPTIONS" {
		return nil
	}
	if len(target) > 7 && strings.EqualFold(target[:7], "http://") {
		rest := target[7:]
		end := strings.IndexAny(rest+"/", "/?#")
		if c.seen.Host, target = rest[:end], rest[end:]; !hostFits(c.seen.Host) {
			return status(400)
		}
		if !strings.HasPrefix(target, "/") {
			target = "/" + target
		}
	}
	path, query, asked := strings.Cut(target, "?")
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "\\#") || strings.Contains(query, "#") {
		return status(400)
	}
	var out bytes.Buffer
	for i := 0; i < len(path); i++ {
		if path[i] != '%' {
			out.WriteByte(path[i])
			continue
		}
		if i+2 >= len(path) {
			return status(400)
		}
		b, err := strconv.ParseUint(path[i+1:i+3], 16, 8)
		if err != nil || b == '/' || b == '\\' || b == 0 {
			return status(400)
		}
		if i += 2; isAlphanumeric(byte(b)) || strings.IndexByte("-._~", byte(b)) >= 0 {
			out.WriteByte(byte(b))
		} else {
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	segments := strings.Split(out.String(), "/")[1:]
	for i, s := range segments {
		if s == "." || s == ".." || s == "" && i < len(segments)-1 {
			return status(400)
		}
	}
	c.seen.Target = out.String()
	if asked && query != "" {
		c.seen.Target += "?" + query
	}
	return nil
}

func hostFits(host string) bool {
	name, port := host, ""
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		name, port = host[:i], host[i+1:]
	}
	if literal, found := strings.CutPrefix(name, "["); found {
		a, err := netip.ParseAddr(strings.TrimSuffix(literal, "]"))
		return err == nil && a.Is6() && strings.HasSuffix(literal, "]") && all(port, between('0', '9'))
	}
	return name != "" && all(name, isHostByte) && all(port, between('0', '9'))
}
