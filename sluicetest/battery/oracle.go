package battery

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// NetHTTP is what net/http's server reads in bytes that came over a connection, without a limit on any size: every request
// that is whole and in order, and why what stands behind the last of them is none; nil when nothing does, or when the bytes
// end within it. It stops behind a request that closes the connection.
//
// It is the oracle for the fuzzing of another reader: what net/http refuses that one refuses too, no later, and where both
// take a request they read the same. Some requests that end too early give an error too: nobody takes them. Where the other one refuses more there is a case that says why.
func NetHTTP(raw []byte) (requests []Seen, refusal error) {
	r := bufio.NewReader(bytes.NewReader(raw))
	for {
		if _, err := r.Peek(1); err != nil {
			return requests, nil
		}
		request, err := http.ReadRequest(r)
		if err == nil {
			err = serverRules(request)
		}
		var body []byte
		if err == nil {
			body, err = io.ReadAll(request.Body)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return requests, nil
		}
		if err != nil {
			return requests, err
		}
		requests = append(requests, Seen{Method: request.Method, Host: request.Host, Target: request.RequestURI, X: request.Header["X"],
			T: request.Trailer["T"], Body: body})
		if request.Close {
			return requests, nil
		}
	}
}

// serverRules are what net/http's server refuses beyond what ReadRequest does.
func serverRules(r *http.Request) error {
	switch {
	case r.ProtoMajor != 1:
		return fmt.Errorf("the version %s", r.Proto)
	case r.ProtoAtLeast(1, 1) && r.Host == "" && r.Method != http.MethodConnect:
		return errors.New("no Host, or an empty one")
	case !all(r.Host, or(isHostByte, only(":[]%"))):
		return errors.New("a Host that is none")
	}
	for name, values := range r.Header {
		if name == "" || !all(name, isTokenByte) {
			return fmt.Errorf("the name %q", name)
		}
		for _, value := range values {
			if !all(value, isValueByte) {
				return fmt.Errorf("the value %q", value)
			}
		}
	}
	return nil
}

func all(text string, fits func(byte) bool) bool {
	for i := range len(text) {
		if !fits(text[i]) {
			return false
		}
	}
	return true
}
