package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sluiceapi/sluice"
)

// Server is how one server is reached, and what it is there for.
type Server struct {
	// Address is host and port, or the path of a socket: it names the server in logs and metrics.
	Address string
	// Place is what the address stands for.
	Place Place

	config *pgconn.Config
}

// Database is the name of the database.
func (s *Server) Database() string { return s.config.Database }

// Place is what an address stands for.
type Place uint8

// The places.
const (
	// Anywhere is a server whose role is found out.
	Anywhere Place = iota
	// Primary is an address that always leads to the primary, such as a cloud's writer endpoint: no other is written to.
	Primary
	// Replica is an address that leads to a replica. It is never written to.
	Replica
)

// At sets what the addresses of a URL stand for.
func At(p Place, servers []Server) []Server {
	for i := range servers {
		servers[i].Place = p
	}
	return servers
}

// wanted is the form of a URL, for errors.
const wanted = "postgres://USER:PASSWORD@HOST:PORT/DATABASE"

// Parse reads the URL of one server or several of one cluster, as libpq has them:
// postgres://USER:PASSWORD@HOST:PORT,HOST:PORT/DATABASE?sslmode=verify-full. What it names of certificates is read from
// files, whose paths are relative to dir. Unlike libpq it takes nothing from the environment, the user's home or the
// account of the process, so user and database must be given. Errors never quote what may hold a password.
// https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
func Parse(text, dir string) ([]Server, error) {
	a, err := split(text)
	if err != nil {
		return nil, err
	}
	if err := a.check(dir); err != nil {
		return nil, err
	}
	var servers []Server
	for _, h := range a.hosts {
		config, err := a.config(h)
		if err != nil {
			return nil, err
		}
		_, address := pgconn.NetworkAddress(h.name, h.port)
		if slices.ContainsFunc(servers, func(s Server) bool { return s.Address == address }) {
			return nil, fmt.Errorf("%s is named twice", address)
		}
		servers = append(servers, Server{Address: address, config: config})
	}
	return servers, nil
}

// address is a URL in its parts.
type address struct {
	user, password, database string
	hosts                    []host
	params                   map[string]string
}

type host struct {
	name string
	port uint16
}

// split takes a URL apart. net/url can not: several hosts have several ports.
func split(text string) (*address, error) {
	scheme, rest, found := strings.Cut(text, "://")
	switch {
	case !found || scheme != "postgres" && scheme != "postgresql":
		return nil, errors.New("it is no address of PostgreSQL; want " + wanted)
	case strings.ContainsAny(rest, "#\x00"):
		return nil, errors.New("it holds # or NUL; in a password # is written %23")
	}
	rest, query, _ := strings.Cut(rest, "?")
	authority, database, _ := strings.Cut(rest, "/")
	if strings.Contains(database, "@") {
		return nil, errors.New("there is an @ behind the first / or ?; in a password those are written %2F and %3F")
	}
	a := &address{params: map[string]string{}}
	at := strings.LastIndexByte(authority, '@')
	if at < 0 {
		return nil, errors.New("it names no user; want " + wanted)
	}
	user, password, _ := strings.Cut(authority[:at], ":")
	for _, part := range []struct {
		what string
		from string
		to   *string
	}{{"user", user, &a.user}, {"password", password, &a.password}, {"database", database, &a.database}} {
		var err error
		if *part.to, err = plain(part.what, part.from); err != nil {
			return nil, err
		}
	}
	if err := a.parameters(query); err != nil {
		return nil, err
	}
	return a, a.places(authority[at+1:])
}

// plain undoes percent encoding. What is not well formed is not quoted: it may be a piece of a password.
func plain(what, text string) (string, error) {
	text, err := url.PathUnescape(text)
	if err != nil {
		return "", fmt.Errorf("the %s holds a %% without two hexadecimal digits behind it; a %% itself is written %%25", what)
	}
	if strings.ContainsRune(text, 0) {
		return "", fmt.Errorf("the %s holds NUL", what)
	}
	return text, nil
}

// known are the parameters of a URL.
var known = []string{"application_name", "channel_binding", "connect_timeout", "host", "options", "port", "require_auth",
	"sslcert", "sslkey", "sslmode", "sslnegotiation", "sslpassword", "sslrootcert"}

func (a *address) parameters(query string) error {
	for _, one := range strings.Split(query, "&") {
		if one == "" {
			continue
		}
		name, value, found := strings.Cut(one, "=")
		switch {
		case !found:
			return errors.New("a parameter behind the ? has no =; want name=value&name=value")
		case name == "target_session_attrs":
			return errors.New("target_session_attrs: which server is the primary is found out; leave it out")
		case name == "user" || name == "password" || name == "dbname":
			return fmt.Errorf("%s stands behind the ?; want %s", name, wanted)
		case !slices.Contains(known, name):
			if near := sluice.Nearest(name, known); near != "" {
				return fmt.Errorf("unknown parameter %s; did you mean %s?", name, near)
			}
			return fmt.Errorf("unknown parameter; want one of %s", strings.Join(known, ", "))
		}
		if _, twice := a.params[name]; twice {
			return fmt.Errorf("%s is given twice", name)
		}
		value, err := plain(name, value)
		if err != nil {
			return err
		}
		a.params[name] = value
	}
	return nil
}

// places reads the list of hosts, or the one that stands among the parameters.
func (a *address) places(list string) error {
	if h := a.params["host"]; h != "" {
		if list != "" {
			return errors.New("there is a host behind the @ and one behind the ?; want one of them")
		}
		port, err := portOf(a.params["port"])
		a.hosts = []host{{h, port}}
		return err
	}
	if a.params["port"] != "" {
		return errors.New("port stands behind the ?; want it behind its host, as in " + wanted)
	}
	for _, one := range strings.Split(list, ",") {
		h, err := placeOf(one)
		if err != nil {
			return err
		}
		a.hosts = append(a.hosts, h)
	}
	return nil
}

func placeOf(text string) (host, error) {
	name, port := text, ""
	if i := strings.LastIndexByte(text, ':'); i >= 0 && !strings.HasSuffix(text, "]") {
		name, port = text[:i], text[i+1:]
	}
	if inner, bracketed := strings.CutPrefix(name, "["); bracketed {
		if name = strings.TrimSuffix(inner, "]"); net.ParseIP(name) == nil {
			return host{}, errors.New("what stands in [ ] is no IPv6 address")
		}
	} else if strings.Contains(name, ":") {
		return host{}, errors.New("a host holds a colon; an IPv6 address stands in [ ]")
	}
	name, err := plain("host", name)
	if err != nil {
		return host{}, err
	}
	if name == "" {
		return host{}, errors.New("a host is missing; want " + wanted)
	}
	number, err := portOf(port)
	return host{name, number}, err
}

func portOf(text string) (uint16, error) {
	if text == "" {
		return 5432, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("a port is not a number from 1 to 65535; in a password : is written %3A and @ is written %40")
	}
	return uint16(n), nil
}

var modes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// check judges what pgconn would not, or would quote, and resolves paths.
func (a *address) check(dir string) error {
	switch {
	case a.user == "":
		return errors.New("it names no user; want " + wanted)
	case a.database == "":
		return errors.New("it names no database; want " + wanted)
	}
	mode := a.params["sslmode"]
	if mode == "" {
		mode = "prefer"
	}
	if !slices.Contains(modes, mode) {
		return fmt.Errorf("sslmode is %q; want one of %s", mode, strings.Join(modes, ", "))
	}
	root := a.params["sslrootcert"]
	if root != "" && root != "system" && slices.Index(modes, mode) < slices.Index(modes, "require") {
		return fmt.Errorf("sslrootcert is given, and sslmode is %s, which verifies nothing; want sslmode=verify-full", mode)
	}
	if (a.params["sslcert"] == "") != (a.params["sslkey"] == "") {
		return errors.New("of sslcert and sslkey one is given; want both or none")
	}
	for _, name := range []string{"sslrootcert", "sslcert", "sslkey"} {
		if path := a.params[name]; path != "" && path != "system" && !filepath.IsAbs(path) {
			a.params[name] = filepath.Join(dir, path)
		}
	}
	if t := a.params["connect_timeout"]; t != "" {
		if _, err := strconv.ParseUint(t, 10, 16); err != nil {
			return fmt.Errorf("connect_timeout is %q; want a number of seconds", t)
		}
	}
	return nil
}

// config makes pgconn's config of one host. Everything that pgconn would else take from the environment or the home is
// given.
func (a *address) config(h host) (*pgconn.Config, error) {
	settings := map[string]string{
		"host": h.name, "port": strconv.Itoa(int(h.port)), "user": a.user, "password": a.password, "dbname": a.database,
		"passfile": "", "servicefile": "", "target_session_attrs": "any", "connect_timeout": "0",
		"sslmode": "prefer", "sslcert": "", "sslkey": "", "sslrootcert": "", "sslpassword": "", "sslcertmode": "allow",
		"sslsni": "1", "sslnegotiation": "postgres", "channel_binding": "prefer", "require_auth": "",
		"min_protocol_version": "3.0", "max_protocol_version": "3.0", "krbsrvname": "", "krbspn": "",
	}
	for name, value := range a.params {
		if name != "host" && name != "port" && name != "application_name" && name != "options" {
			settings[name] = value
		}
	}
	var text strings.Builder
	for name, value := range settings {
		text.WriteString(name + "='" + quoting.Replace(value) + "' ")
	}
	config, err := pgconn.ParseConfig(text.String())
	if err != nil {
		// The error's own text holds the settings, so only its cause is told.
		if strings.Contains(err.Error(), "failed to read service") {
			return nil, errors.New("the environment of the process holds PGSERVICE, which the driver insists on reading; want it unset")
		}
		if cause := errors.Unwrap(err); cause != nil {
			return nil, cause
		}
		return nil, errors.New("a parameter has a value that it can not have")
	}
	config.RuntimeParams = map[string]string{}
	for _, name := range []string{"application_name", "options"} {
		if value := a.params[name]; value != "" {
			config.RuntimeParams[name] = value
		}
	}
	return config, nil
}

var quoting = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
