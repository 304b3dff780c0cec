package sluice_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/sluiceapi/sluice"

// rule says what of ours a package may import, and why no more. A name that ends in /* stands for a package and all
// below it.
type rule struct {
	pkg    string
	ours   []string
	others []string // modules of others; nil with anyOther unset means the standard library only
	why    string
}

// house is the order of the rooms. A package is judged by the first rule that fits.
var house = []rule{
	{pkg: ".", why: "the vocabulary must be readable, and usable, without anything else"},
	{pkg: "config", ours: []string{"."}, others: []string{"go.yaml.in/yaml"}, why: "it knows no kind, so that a kind is added without touching it"},
	{pkg: "input", ours: []string{"."}, others: []string{"github.com/santhosh-tekuri/jsonschema", "golang.org/x/text"}, why: "it checks values, and knows neither YAML nor sockets"},
	{pkg: "router", ours: []string{"."}, why: "it picks an endpoint and nothing else"},
	{pkg: "rpc/health", ours: []string{".", "rpc"}, others: []string{"google.golang.org/protobuf", "google.golang.org/grpc/health/grpc_health_v1"}, why: "it speaks one protocol, and knows no node"},
	{pkg: "rpc/reflection", ours: []string{".", "rpc"}, others: []string{"google.golang.org/protobuf", "google.golang.org/grpc/codes", "google.golang.org/grpc/reflection", "google.golang.org/grpc/health/grpc_health_v1"}, why: "it speaks one protocol, and knows no node"},
	{pkg: "rpc", ours: []string{"."}, others: []string{"google.golang.org/protobuf", "google.golang.org/genproto", "google.golang.org/grpc/codes", "github.com/bufbuild/protocompile", "github.com/klauspost/compress"}, why: "both sides of gRPC stand on it, so it knows neither of them"},
	{pkg: "build", ours: []string{".", "broker", "config", "router", "input", "job", "job/bell/memory", "rpc/*", "state/memory"}, why: "it folds chains of kinds that it is given, so it names none"},
	{pkg: "state/memory", ours: []string{"."}, why: "it is what nodes share, in memory, and nothing else"},
	{pkg: "state/redis", ours: []string{"."}, others: []string{"github.com/redis/rueidis"}, why: "it is what nodes share, in Redis, and nothing else"},
	{pkg: "job/postgres", ours: []string{"job"}, others: []string{"github.com/jackc/pgx"}, why: "it keeps jobs in a database, and knows nothing of what they are"},
	{pkg: "job/sqlite", ours: []string{"job", "backend/sql/sqlite"}, why: "it keeps jobs in a file, and knows nothing of what they are"},
	{pkg: "job/bell/memory", ours: []string{"job"}, why: "it rings within a process, and knows nothing of what for"},
	{pkg: "job/bell", ours: []string{"broker", "job"}, why: "it rings through any broker, and knows none of them"},
	{pkg: "job", ours: []string{"."}, why: "it is the life of a job, and knows neither where jobs are kept nor who rings"},
	{pkg: "broker/memory", ours: []string{"broker"}, why: "it keeps queues in memory, and knows nothing of what is in them"},
	{pkg: "broker/amqp", ours: []string{"broker"}, others: []string{"github.com/rabbitmq/amqp091-go"}, why: "it speaks one protocol, and knows nothing of what it carries"},
	{pkg: "broker/kafka", ours: []string{"broker"}, others: []string{"github.com/twmb/franz-go"}, why: "it speaks one protocol, and knows nothing of what it carries"},
	{pkg: "broker/nats", ours: []string{"broker"}, others: []string{"github.com/nats-io/nats.go"}, why: "it speaks one protocol, and knows nothing of what it carries"},
	{pkg: "broker/scheme", ours: []string{"broker", "broker/*"}, why: "it is the list of brokers and nothing else"},
	{pkg: "broker", ours: []string{"."}, why: "it is what messages and queues are, and knows neither a protocol nor what the messages are for"},
	{pkg: "shard", why: "it places keys, and knows no database"},
	{pkg: "internal/pemfile", why: "certificates, keys and authorities come from files in several rooms, and it knows none of them"},
	{pkg: "internal/nowait", why: "it knows sockets, and nothing of what is sent over them"},
	{pkg: "internal/window", why: "it counts over time, and knows nothing of what"},
	{pkg: "upstream", ours: []string{".", "internal/window"}, why: "it chooses hosts for several kinds, and knows none of the protocols that are spoken to them"},
	{pkg: "h1", ours: []string{"."}, why: "messages are read and written alike on both sides of a node, so it knows neither"},
	{pkg: "server", ours: []string{".", "h1", "internal/pemfile", "internal/nowait"}, others: []string{"golang.org/x/net", "golang.org/x/sys"}, why: "an engine can be replaced only while nothing else is in it"},
	{pkg: "observe", ours: []string{"."}, others: []string{"github.com/prometheus", "go.opentelemetry.io", "google.golang.org", "github.com/klauspost/compress"}, why: "it hears of exchanges, and depends on nothing that makes them"},
	{pkg: "admin", ours: []string{".", "observe"}, others: []string{"github.com/prometheus", "github.com/klauspost/compress"}, why: "it shows what others know"},
	{pkg: "policy/invalidate", ours: []string{".", "tag"}, why: "a kind stands alone, but for what it has in common with cache"},
	{pkg: "policy/cache", ours: []string{".", "tag"}, others: []string{"github.com/maypok86/otter"}, why: "a kind stands alone, but for what it has in common with invalidate"},
	{pkg: "tag", ours: []string{"."}, why: "it is what a purge ends on all nodes, for the policies that keep and that purge"},
	{pkg: "backend/http", ours: []string{".", "h1", "internal/pemfile", "internal/nowait", "upstream"}, others: []string{"golang.org/x/sys", "golang.org/x/net"}, why: "a kind stands alone: not on config, router, server or build, and not on another kind"},
	{pkg: "backend/grpc", ours: []string{".", "internal/pemfile", "rpc", "upstream"}, others: []string{"google.golang.org/grpc/codes", "google.golang.org/grpc/health/grpc_health_v1", "google.golang.org/grpc/reflection/grpc_reflection_v1", "google.golang.org/protobuf"}, why: "a kind stands alone: not on config, router, server or build, and not on another kind; and grpc-go is no part of it"},
	{pkg: "policy/clientcert", ours: []string{".", "internal/pemfile"}, others: []string{"github.com/spiffe/go-spiffe", "github.com/maypok86/otter"}, why: "a kind stands alone: not on config, router, server or build, and not on another kind"},
	{pkg: "policy/jwt", ours: []string{"."}, others: []string{"github.com/maypok86/otter"}, why: "it verifies tokens, and the cache of verified ones is what it needs of others"},
	{pkg: "policy/breaker", ours: []string{".", "internal/window"}, why: "a kind stands alone: not on config, router, server or build, and not on another kind"},
	{pkg: "policy/retry", ours: []string{".", "internal/window"}, why: "a kind stands alone: not on config, router, server or build, and not on another kind"},
	{pkg: "policy/*", ours: []string{"."}, others: []string{"github.com/klauspost/compress"}, why: "a kind stands alone: not on config, router, server or build, and not on another kind"},
	{pkg: "backend/sql/goosefile", others: []string{"github.com/pressly/goose"}, why: "it reads files of goose for every database"},
	{pkg: "backend/sql/sqlite", ours: []string{"backend/sql/goosefile"}, others: []string{"github.com/ncruces", "github.com/pressly/goose", "golang.org/x/sys"}, why: "it runs statements and knows nothing of exchanges"},
	{pkg: "backend/sql/postgres/pool", why: "it lends connections, and knows nothing of what is sent on them"},
	{pkg: "backend/sql/postgres/cluster", ours: []string{".", "backend/sql/postgres", "backend/sql/postgres/pool"}, others: []string{"github.com/jackc/pgx/v5"}, why: "it chooses servers, and knows nothing of statements"},
	{pkg: "backend/sql/postgres", ours: []string{".", "backend/sql/postgres/*", "backend/sql/goosefile"}, others: []string{"github.com/jackc/pgx/v5", "github.com/pressly/goose", "golang.org/x/sys"}, why: "it binds an exchange's values straight into messages, and knows nothing else of exchanges"},
	{pkg: "backend/sql", ours: []string{".", "backend/sql/*", "shard"}, why: "databases are reached through its own packages only"},
	{pkg: "backend/publish", ours: []string{".", "broker", "broker/scheme"}, why: "it publishes through any broker, and knows none of them"},
	{pkg: "backend/*", ours: []string{"."}, others: []string{"golang.org/x/sys", "golang.org/x/net"}, why: "a kind stands alone: not on config, router, server or build, and not on another kind"},
	{pkg: "standard", ours: []string{".", "policy/*", "backend/*"}, why: "it is the list of kinds and nothing else"},
	{pkg: "cases", ours: []string{".", "build", "config", "job", "observe", "server"}, others: []string{"golang.org/x/tools"}, why: "it serves a config as the command does, with kinds that it is given"},
	{pkg: "command", ours: []string{".", "admin", "broker", "broker/scheme", "build", "cases", "config", "job", "job/bell", "job/postgres", "job/sqlite", "observe", "server", "state/redis"}, others: []string{"github.com/spf13/cobra", "github.com/fsnotify/fsnotify", "github.com/schollz/progressbar", "golang.org/x/term"}, why: "it joins everything but the kinds, which its caller gives it"},
	{pkg: "cmd/sluice", ours: []string{".", "command", "standard"}, why: "it gives the command the stock kinds"},
	{pkg: "sluicetest/servers", others: []string{"github.com/jackc/pgx"}, why: "it starts servers, and knows nothing of what uses them"},
	{pkg: "sluicetest/brokers", others: []string{"github.com/twmb/franz-go/pkg/kfake", "github.com/nats-io/nats-server"}, why: "it starts brokers, and knows nothing of what uses them"},
	{pkg: "sluicetest/issuer", why: "programs outside use it too, so it knows nothing of Sluice"},
	{pkg: "sluicetest/output", why: "the tests of every room read what is written, so it knows none of them"},
	{pkg: "sluicetest/battery", others: []string{"golang.org/x/net"}, why: "programs outside use it too, so it knows nothing of Sluice"},
	{pkg: "sluicetest", ours: []string{".", "broker", "build", "config", "job", "server", "sluicetest/battery"}, others: []string{"golang.org/x/net"}, why: "suites must run for kinds and engines that they do not know"},
	{pkg: "sluicetest/program", ours: []string{"sluicetest/servers"}, why: "it runs Sluice from outside, as a user does"},
	{pkg: "examples/stack", ours: []string{"examples/stack/stack", "sluicetest/*"}, why: "it runs Sluice from outside, as a user does"},
	{pkg: "examples/stack/stack", ours: []string{"examples/shop/fleet", "sluicetest/program", "sluicetest/servers"}, why: "it starts what the files of the example name"},
	{pkg: "examples/shop", ours: []string{"examples/shop/fleet", "sluicetest/program", "sluicetest/servers"}, why: "it runs Sluice from outside, as a user does"},
	{pkg: "examples/shop/fleet", ours: []string{"sluicetest/servers"}, why: "it starts what the shop's fleet.yaml names"},
	{pkg: "examples/tiers", ours: []string{"examples/tiers/tiers", "sluicetest/servers"}, why: "it runs Sluice from outside, as a user does"},
	{pkg: "examples/tiers/tiers", ours: []string{"sluicetest/program", "sluicetest/servers"}, why: "it starts what the example's files are for"},
	{pkg: "examples/*", ours: []string{".", "command", "standard", "backend/function"}, why: "an example uses what a user's program would"},
	{pkg: "tour", ours: []string{"sluicetest/*", "examples/stack/stack"}, others: []string{"golang.org/x/sys"}, why: "it uses a running Sluice from outside, as a user does"},
	{pkg: "prove", ours: []string{"examples/stack/stack", "sluicetest/*"}, others: []string{"golang.org/x/sys", "golang.org/x/net", "github.com/coder/websocket"}, why: "it uses a running Sluice from outside, as a user does"},
	{pkg: "deploy", why: "it is what others read, with tests that read it"},
	{pkg: "deploy/grafana", why: "it writes files for others, and uses nothing of what they look at"},
	{pkg: "bench", ours: []string{"sluicetest/*", "job", "job/postgres", "job/sqlite"}, others: []string{"golang.org/x/sys", "github.com/ncruces/go-sqlite3", "modernc.org/sqlite", "github.com/jackc/pgx", "go.opentelemetry.io/proto/otlp", "google.golang.org/protobuf"}, why: "it measures programs from outside"},
}

type listed struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
	Standard   bool
}

func packages(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room is a package's name within the house, "." for the root.
func room(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func fits(name, pattern string) bool {
	above, all := strings.CutSuffix(pattern, "/*")
	return name == pattern || all && (name == above || strings.HasPrefix(name, above+"/"))
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		name := room(p.ImportPath)
		i := slices.IndexFunc(house, func(r rule) bool { return fits(name, r.pkg) })
		if i < 0 {
			t.Errorf("package %s has no rule: say in the house what it may import, and why", name)
			continue
		}
		for _, imported := range p.Imports {
			if why := house[i].refuses(name, imported); why != "" {
				t.Errorf("package %s must not import %s: %s", name, imported, why)
			}
		}
	}
}

func (r rule) refuses(name, imported string) string {
	if imported == module || strings.HasPrefix(imported, module+"/") {
		if slices.ContainsFunc(r.ours, func(o string) bool { return fits(room(imported), o) }) {
			return ""
		}
		return r.why
	}
	first, _, _ := strings.Cut(imported, "/")
	if !strings.Contains(first, ".") {
		return ""
	}
	if slices.ContainsFunc(r.others, func(o string) bool { return strings.HasPrefix(imported, o) }) {
		return ""
	}
	return r.why
}

// serverTypes are net/http's names for the side that answers.
var serverTypes = []string{"http.Handler", "http.HandlerFunc", "http.ResponseWriter", "http.Server", "http.ServeMux", "http.Hijacker",
	"http.Flusher", "http.ResponseController", "http.ListenAndServe", "http.Serve", "http.Pusher"}

// TestEngine holds that only server knows which engine runs: net/http's server types stand in server, and in the
// adapter of backend/function, which takes a user's http.Handler. Servers that tests and programs ask stand outside.
func TestEngine(t *testing.T) {
	t.Parallel()
	allowed := []string{"server", "backend/function", "sluicetest/issuer", "bench", "prove", "tour", "examples/*"}
	for _, p := range packages(t) {
		name := room(p.ImportPath)
		if slices.ContainsFunc(allowed, func(a string) bool { return fits(name, a) }) {
			continue
		}
		for _, file := range p.GoFiles {
			for _, used := range selectors(t, filepath.Join(p.Dir, file)) {
				if slices.Contains(serverTypes, used) {
					t.Errorf("%s/%s names %s: only server may know which engine runs", name, file, used)
				}
			}
		}
	}
}

// TestDoc holds that every package says in one sentence what it is for.
func TestDoc(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		var docs []string
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
			if err != nil {
				t.Fatal(err)
			}
			if f.Doc != nil {
				docs = append(docs, f.Doc.Text())
			}
		}
		name := room(p.ImportPath)
		if len(docs) != 1 {
			t.Errorf("package %s has %d package comments, want one", name, len(docs))
			continue
		}
		first, _, found := strings.Cut(docs[0], ".")
		if !found || !strings.HasPrefix(first, "Package ") && !strings.HasPrefix(first, "Command ") && !strings.HasPrefix(first, "Program ") {
			t.Errorf("package %s starts with %q, want a sentence that says what it is for", name, first)
		}
	}
}
