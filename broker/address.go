package broker

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Address is where a broker is, as SCHEME://USER:PASSWORD@HOST:PORT,HOST:PORT/PATH?KEY=VALUE says it.
type Address struct {
	// Scheme is without the s at its end that stands for TLS.
	Scheme         string
	TLS            bool
	User, Password string
	// Hosts are hosts with their ports; none for a broker within the process.
	Hosts []string
	// Path is without its first slash, and Query holds what stands behind the question mark; both are decoded.
	Path  string
	Query url.Values
}

// ports are where brokers listen when nobody says otherwise, without TLS and with it.
var ports = map[string][2]string{"amqp": {"5672", "5671"}, "kafka": {"9092", "9093"}, "nats": {"4222", "4222"}}

var errAddress = errors.New("want amqp://, kafka:// or nats:// with USER:PASSWORD@ where they are needed and HOST:PORT, several with commas" +
	" between them; amqps://, kafkas:// and natss:// for TLS; or memory: for one within the process")

// maxHosts bounds the hosts of one address.
const maxHosts = 64

// ParseAddress reads the address of a broker. Errors do not tell passwords.
func ParseAddress(text string) (a Address, err error) {
	if text == "memory:" {
		return Address{Scheme: "memory"}, nil
	}
	scheme, rest, found := strings.Cut(text, "://")
	a.Scheme, a.TLS = strings.CutSuffix(scheme, "s")
	if scheme == "nats" {
		a.Scheme, a.TLS = scheme, false
	}
	port, known := ports[a.Scheme]
	if !found || !known {
		return Address{}, fmt.Errorf("it is the address of no broker that is known here; %w", errAddress)
	}
	rest, query, _ := strings.Cut(rest, "?")
	if a.Query, err = url.ParseQuery(query); err != nil || strings.ContainsAny(text, "# \t\r\n") {
		return Address{}, errEscape
	}
	authority, path, _ := strings.Cut(rest, "/")
	if a.Path, err = url.PathUnescape(path); err != nil {
		return Address{}, errEscape
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, password, _ := strings.Cut(authority[:i], ":")
		var bad error
		a.User, err = url.PathUnescape(user)
		if a.Password, bad = url.PathUnescape(password); err != nil || bad != nil {
			return Address{}, errEscape
		}
		authority = authority[i+1:]
	}
	return a, a.readHosts(authority, port)
}

var errEscape = errors.New("it cannot be read; want % and letters such as # ? / and @ in user, password and path written as %25, %23, %3F, %2F and %40")

func (a *Address) readHosts(authority string, port [2]string) error {
	byDefault := port[0]
	if a.TLS {
		byDefault = port[1]
	}
	for host := range strings.SplitSeq(authority, ",") {
		name, number, err := net.SplitHostPort(host)
		if err != nil {
			name, number = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), byDefault
		}
		if n, err := strconv.ParseUint(number, 10, 16); err != nil || n == 0 || name == "" || strings.ContainsAny(name, "[]@%/") {
			return fmt.Errorf("it names no host and port at which a broker could be; %w", errAddress)
		}
		if a.Hosts = append(a.Hosts, net.JoinHostPort(name, number)); len(a.Hosts) > maxHosts {
			return fmt.Errorf("it names more than %d hosts; want some of them", maxHosts)
		}
	}
	return nil
}

// Only returns the first key of the query that is none of those known, "" when there is none.
func (a *Address) Only(known ...string) string {
next:
	for key := range a.Query {
		for _, k := range known {
			if k == key {
				continue next
			}
		}
		return key
	}
	return ""
}

// CheckQueue says what is wrong with a name that no queue of the broker can have.
func (a *Address) CheckQueue(name string) error {
	switch {
	case name == "" || len(name) > 255:
		return errors.New("the name of a queue has from 1 to 255 letters")
	case a.Scheme == "kafka" || a.Scheme == "nats":
		for _, c := range name {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", c) {
				return fmt.Errorf("%q is no name of a queue of %s; want letters of ASCII, digits, dots, underscores and dashes", name, a.Scheme)
			}
		}
		if len(name) > 200 || strings.Trim(name, ".") != name || strings.Contains(name, "..") {
			return fmt.Errorf("%q is no name of a queue of %s; want at most 200 letters, and dots only between others", name, a.Scheme)
		}
	case a.Scheme == "amqp" && strings.HasPrefix(name, "amq."):
		return fmt.Errorf("%q is a name that RabbitMQ keeps for itself; want one that starts with something else", name)
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == utf8.RuneError }):
		return fmt.Errorf("%q is no name of a queue; want one without spaces", name)
	}
	return nil
}
