package main

import (
	"fmt"
	"strconv"
	"strings"
)

// bounds are what a counter may show to the client that alone writes it. Every write makes it one more.
type bounds struct {
	least int // what is known to be there: acknowledged, or seen
	most  int // with all that may be there: writes of which nobody told whether they are
}

// write takes in what came of a write. An acknowledged one tells which number it made.
func (b *bounds) write(o outcome, n int) error {
	switch o {
	case declined:
		return nil
	case unknown:
		b.most++
		return nil
	}
	b.most++
	err := b.check(n)
	if err == nil && n == b.least {
		err = staleError{n, b.least + 1, b.most} // it made nothing
	}
	if n > b.least {
		b.least = n
	}
	return err
}

// read takes in what a read showed.
func (b *bounds) read(n int) error {
	if err := b.check(n); err != nil {
		return err
	}
	b.least = n // later reads must not go back behind it
	return nil
}

func (b *bounds) check(n int) error {
	if n > b.most {
		return tooManyError{n, b.most}
	}
	if n < b.least {
		return staleError{n, b.least, b.most}
	}
	return nil
}

// staleError is an answer from before what its client has written or seen.
type staleError struct{ got, least, most int }

func (e staleError) Error() string {
	return fmt.Sprintf("%d, and it has been %d", e.got, e.least)
}

// tooManyError is a counter that more has been written to than was sent: a write was made twice.
type tooManyError struct{ got, most int }

func (e tooManyError) Error() string {
	return fmt.Sprintf("%d, and no more than %d was written", e.got, e.most)
}

// session is one client: the counters that only it writes, and what it has seen of the system.
type session struct {
	first    int // the id of its first counter
	counters []bounds
	token    string
}

func (s *session) id(counter int) int { return s.first + counter }

// request makes a request with the session's token.
func (s *session) request(method string, counter int, token string) request {
	field := ""
	if token != "" {
		field = "Consistency-Token: " + token + "\r\n"
	}
	if method == "POST" {
		field += "Content-Length: 0\r\n"
	}
	return request{method, fmt.Appendf(nil, "%s /counters/%d HTTP/1.1\r\nHost: prove\r\n%s\r\n", method, s.id(counter), field)}
}

// keep keeps the token of an answer, if it has one.
func (s *session) keep(a answer) {
	if token := a.header.Get("Consistency-Token"); token != "" {
		s.token = token
	}
}

// counterOf is the number in an answer.
func counterOf(a answer) (int, error) {
	text, found := strings.CutPrefix(string(a.body), `{"n":`)
	n, err := strconv.Atoi(strings.TrimSuffix(text, "}"))
	if a.status != 200 || !found || err != nil {
		return 0, fmt.Errorf("status %d: %.200s", a.status, a.body)
	}
	return n, nil
}
