package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The suites of others, built from their modules under test/grpc.
var grpcTools = []string{"connectrpc.com/conformance/cmd/connectconformance", "connectrpc.com/conformance/cmd/referenceserver",
	"google.golang.org/grpc/interop/client", "google.golang.org/grpc/interop/server"}

// interopCases are those of grpc-go's interop client that need no accounts anywhere.
var interopCases = []string{"empty_unary", "large_unary", "client_streaming", "server_streaming", "ping_pong", "empty_stream",
	"timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response", "status_code_and_message",
	"special_status_message", "custom_metadata", "unimplemented_method", "unimplemented_service"}

// conformanceConfig is what the conformance suite is to try: gRPC over HTTP/2, with all kinds of streams.
const conformanceConfig = `features:
  versions: [HTTP_VERSION_2]
  protocols: [PROTOCOL_GRPC]
  codecs: [CODEC_PROTO]
  compressions: [COMPRESSION_IDENTITY, COMPRESSION_GZIP]
  stream_types: [STREAM_TYPE_UNARY, STREAM_TYPE_CLIENT_STREAM, STREAM_TYPE_SERVER_STREAM, STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM, STREAM_TYPE_FULL_DUPLEX_BIDI_STREAM]
  supports_tls: false
  supports_h2c: true
  supports_trailers: true
  supports_message_receive_limit: true
`

// wantTranscoding is how many cases of transcoding there are at least.
const wantTranscoding = 60

// grpcTrial is the claim: what others take for gRPC passes through a node, and transcoding is as it must be.
type grpcTrial struct {
	*stage
	tools                                string
	conformance, interop, transcoding    int
	conformanceBad, interopBad, transBad int
}

func proveGRPC(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("prove grpc", flag.ContinueOnError)
	between := flags.String("between", "", "be the server that the conformance suite starts: a node before its reference server, with the programs of this `folder`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *between != "" {
		return serveBetween(ctx, *between)
	}
	s, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	t := &grpcTrial{stage: s, tools: filepath.Join(s.dir, "tools")}
	if err := t.buildTools(ctx); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{t.runConformance, t.runInterop, t.runTranscoding} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	fmt.Printf("conformance   %d of %d pass\ninterop       %d of %d pass\ntranscoding   %d of %d pass\n",
		t.conformance, t.conformance+t.conformanceBad, t.interop, t.interop+t.interopBad, t.transcoding, t.transcoding+t.transBad)
	switch {
	case t.conformanceBad+t.interopBad+t.transBad > 0:
		return errors.New("not all cases pass")
	case t.conformance == 0 || t.transcoding < wantTranscoding:
		return fmt.Errorf("too few cases; want some of conformance, and %d of transcoding", wantTranscoding)
	}
	return nil
}

// root is the module's folder.
func root(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("asking go for the module's folder: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

func (t *grpcTrial) buildTools(ctx context.Context) error {
	dir, err := root(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(t.tools, 0o755); err != nil {
		return err
	}
	progress("building the conformance suite and grpc-go's interop programs")
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-o", t.tools + "/"}, grpcTools...)...)
	cmd.Dir = filepath.Join(dir, "test", "grpc")
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the suites: %w\n%s", err, output)
	}
	return nil
}

var conformanceTotals = regexp.MustCompile(`(\d+) passed, (\d+) failed`)

func (t *grpcTrial) runConformance(ctx context.Context) error {
	config, err := t.write("conformance.yaml", conformanceConfig)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	progress("connectrpc.com/conformance, its reference server behind a node")
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join(t.tools, "connectconformance"), "--mode", "server", "--conf", config, "-v",
		"--", self, "grpc", "-between", t.dir).CombinedOutput()
	found := conformanceTotals.FindSubmatch(out)
	if found == nil {
		return fmt.Errorf("the conformance suite: %v\n%s", err, tail(string(out), 40))
	}
	t.conformance, _ = strconv.Atoi(string(found[1]))
	t.conformanceBad, _ = strconv.Atoi(string(found[2]))
	if t.conformanceBad > 0 {
		progress(tail(string(out), 200))
	}
	return nil
}

func (t *grpcTrial) runInterop(ctx context.Context) error {
	address, err := freeAddress()
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(address)
	server := exec.CommandContext(ctx, filepath.Join(t.tools, "server"), "--port", port)
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		server.Process.Kill()
		server.Wait() // it was killed
	}()
	if err := awaitAddress(ctx, address); err != nil {
		return err
	}
	n, err := t.passing(ctx, address, "grpc.testing.TestService", "grpc.testing.UnimplementedService")
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(n.http)
	if err != nil {
		return err
	}
	progress("grpc-go's interop cases")
	for _, name := range interopCases {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		out, err := exec.CommandContext(ctx, filepath.Join(t.tools, "client"), "--server_host", host, "--server_port", port,
			"--use_tls=false", "--test_case", name).CombinedOutput()
		cancel()
		if err != nil {
			t.interopBad++
			progress(fmt.Sprintf("%s: %v\n%s", name, err, tail(string(out), 10)))
			continue
		}
		t.interop++
	}
	return nil
}

// passing starts a node that passes the calls of services to an address.
func (s *stage) passing(ctx context.Context, target string, services ...string) (*node, error) {
	text := "sluice: 1\nlisten: {http: \"127.0.0.1:0\", admin: \"127.0.0.1:0\"}\nbackends: {service: {grpc: {target: \"" + target + "\"}}}\nendpoints:\n"
	for i, service := range services {
		text += fmt.Sprintf("  s%d: {route: \"grpc %s/*\", grpc: {}}\n", i, service)
	}
	config, err := s.write(fmt.Sprintf("passing-%d.yaml", os.Getpid()), text)
	if err != nil {
		return nil, err
	}
	return s.start(ctx, config)
}

// runTranscoding runs the cases that stand in a table of the backend's own tests, against a server of grpc-go.
func (t *grpcTrial) runTranscoding(ctx context.Context) error {
	dir, err := root(ctx)
	if err != nil {
		return err
	}
	progress("transcoding")
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-v", "-run", "^TestTranscoding$", "./backend/grpc")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	t.transcoding = strings.Count(string(out), "--- PASS: TestTranscoding/")
	t.transBad = strings.Count(string(out), "--- FAIL: TestTranscoding/")
	if err != nil {
		progress(tail(string(out), 60))
		t.transBad = max(t.transBad, 1)
	}
	return nil
}

// tail is the end of a text.
func tail(text string, lines int) string {
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// awaitAddress waits until somebody listens there.
func awaitAddress(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", address, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
