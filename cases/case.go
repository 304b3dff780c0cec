// Package cases runs cases: a config, requests, and the responses they must get, all readable in one text file.
package cases

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/tools/txtar"
)

// Case is one parsed file. The file is a txtar archive. What stands before its first part sets it up, a line each:
//
//	config: ../sluice.yaml       the config to run; left out, the part sluice.yaml
//	node: upstream.yaml          a part that is served by a node of its own, its URL in ${UPSTREAM}, and host and port
//	                             in ${UPSTREAM_ADDRESS}
//	env: NAME=VALUE              a variable for ${NAME}; in it $WORK is the case's own empty folder, and ${UPSTREAM} and
//	                             ${UPSTREAM_ADDRESS} are those of that node
//	# a comment
//
// Then come parts: files for the case's folder, and steps in pairs:
//
//	-- request: what is tried --
//	POST /orders?dry=1
//	content-type: application/json
//
//	{"sku": "a-1", "count": 2}
//	-- response --
//	201
//	location: /orders/{id}
//
//	{"id": "{id}", "state": "*"}
//
// A response names what must hold: its status, the fields listed, and the body if there is one. A JSON body is
// compared as JSON: "*" is any value, a member "...": true allows members that are not named, and a value in
// braces, in fields and in JSON, is taken down under that name when it is first met and must be the same afterwards;
// a request may use it. A field with the value "-" must not be there; "..." as the last element of an array allows more.
// With a part called "response: in the end" the request is made again until its response is so, for half a minute: for
// what happens beside the answer, as with messages. A Consistency-Token that an answer brings goes back with the requests after it.
type Case struct {
	File   string
	Config string
	Env    map[string]string
	Nodes  []string
	Files  []txtar.File
	Steps  []Step
}

// Step is one request and what its response must be.
type Step struct {
	Name string
	// Line is where the step starts in the file.
	Line     int
	Request  Message
	Response Message
	// InTheEnd has the request made until the response is as it must be.
	InTheEnd bool
}

// Message is a request or an expected response as it is written.
type Message struct {
	// First is the request line without the version, or the status.
	First  string
	Header http.Header
	Body   []byte
}

// Read reads and parses a case.
func Read(file string) (*Case, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// Parse parses a case; file is its name in errors and what config: is relative to.
func Parse(file string, data []byte) (*Case, error) {
	archive := txtar.Parse(data)
	c := &Case{File: file, Env: map[string]string{}}
	for i, line := range strings.Split(string(archive.Comment), "\n") {
		if err := c.setUp(strings.TrimSpace(line)); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	for i := 0; i < len(archive.Files); i++ {
		part := archive.Files[i]
		line := lineOf(data, part.Name)
		name, isRequest := strings.CutPrefix(part.Name, "request")
		switch {
		case isRequest && (name == "" || name[0] == ':'):
			if i+1 == len(archive.Files) || !isResponse(archive.Files[i+1].Name) {
				return nil, fmt.Errorf("%s:%d: a request without its response; want a part called response after it", file, line)
			}
			step := Step{Name: strings.TrimSpace(strings.TrimPrefix(name, ":")), Line: line, InTheEnd: archive.Files[i+1].Name == inTheEnd}
			if err := step.parse(part.Data, archive.Files[i+1].Data); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, line, err)
			}
			c.Steps = append(c.Steps, step)
			i++
		case isResponse(part.Name):
			return nil, fmt.Errorf("%s:%d: a response without its request", file, line)
		default:
			if !filepath.IsLocal(part.Name) {
				return nil, fmt.Errorf("%s:%d: %q leads out of the case's folder", file, line, part.Name)
			}
			c.Files = append(c.Files, part)
		}
	}
	if len(c.Steps) == 0 {
		return nil, fmt.Errorf("%s: no requests; want parts called request and response", file)
	}
	return c, nil
}

// inTheEnd is the part of a response that need not be so at once.
const inTheEnd = "response: in the end"

func isResponse(part string) bool { return part == "response" || part == inTheEnd }

func (c *Case) setUp(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	key, value, _ := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch key {
	case "config":
		c.Config = filepath.Join(filepath.Dir(c.File), value)
	case "env":
		name, val, found := strings.Cut(value, "=")
		if !found {
			return fmt.Errorf("%q sets nothing; want env: NAME=VALUE", line)
		}
		c.Env[name] = val
	case "node":
		c.Nodes = append(c.Nodes, value)
	default:
		return fmt.Errorf("unknown setting %q; want one of config, env and node", key)
	}
	return nil
}

func lineOf(data []byte, part string) int {
	at := bytes.Index(data, []byte("-- "+part+" --"))
	return bytes.Count(data[:max(at, 0)], []byte{'\n'}) + 1
}

func (s *Step) parse(request, response []byte) (err error) {
	if s.Request, err = parseMessage(request); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if method, target, found := strings.Cut(s.Request.First, " "); !found || method == "" || !strings.HasPrefix(target, "/") && target != "*" {
		return fmt.Errorf("request: %q is no request line; want METHOD /path", s.Request.First)
	}
	if s.Response, err = parseMessage(response); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	if status, err := strconv.Atoi(s.Response.First); err != nil || status < 100 || status > 599 {
		return fmt.Errorf("response: %q is no status; want a number such as 200", s.Response.First)
	}
	return nil
}

func parseMessage(data []byte) (Message, error) {
	head, body, _ := bytes.Cut(data, []byte("\n\n"))
	m := Message{Header: http.Header{}, Body: body}
	lines := strings.Split(strings.TrimRight(string(head), "\n"), "\n")
	m.First = strings.TrimSpace(lines[0])
	for _, line := range lines[1:] {
		name, value, found := strings.Cut(line, ":")
		if !found {
			return m, fmt.Errorf("%q is no field; want name: value", line)
		}
		m.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return m, nil
}
