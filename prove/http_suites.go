package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// h2specTool is the suite for HTTP/2.
const h2specTool = "github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible"

// silent is a log that nobody reads.
func silent() *log.Logger { return log.New(io.Discard, "", 0) }

// h2spec runs the suite against a node, by prior knowledge, and against plain net/http: a node must not be worse.
func (t *httpTrial) h2spec(ctx context.Context) error {
	tool, err := t.installH2Spec(ctx)
	if err != nil {
		return err
	}
	n, err := t.before(ctx, "h2spec", listening(time.Minute, time.Minute, time.Minute, time.Minute))
	if err != nil {
		return err
	}
	defer n.kill()
	node, err := t.runH2Spec(ctx, tool, n.http, "node")
	if err != nil {
		return err
	}
	plain, err := t.runH2Spec(ctx, tool, t.service.address, "plain")
	if err != nil {
		return err
	}
	row := httpRow{name: "h2spec", cases: node.cases, note: fmt.Sprintf("%d pass, with plain net/http %d", node.passed(), plain.passed())}
	if node.cases < fewestH2Cases {
		return fmt.Errorf("it has %d cases only; want %d", node.cases, fewestH2Cases)
	}
	if worse := plain.passed() - node.passed(); worse > 0 {
		row.bad = worse
		for name := range node.failed {
			if !plain.failed[name] {
				row.faults = append(row.faults, name+" passes with plain net/http only")
			}
		}
	}
	t.rows = append(t.rows, row)
	return nil
}

func (t *httpTrial) installH2Spec(ctx context.Context) (string, error) {
	tools := filepath.Join(t.dir, "tools")
	progress("building h2spec")
	cmd := exec.CommandContext(ctx, "go", "install", h2specTool)
	cmd.Dir, cmd.Env = t.dir, append(os.Environ(), "GOBIN="+tools)
	if output, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w\n%s", h2specTool, err, output)
	}
	return filepath.Join(tools, "h2spec"), nil
}

// h2Result is what h2spec found.
type h2Result struct {
	cases  int
	failed map[string]bool // those that were skipped too
}

func (r *h2Result) passed() int { return r.cases - len(r.failed) }

func (t *httpTrial) runH2Spec(ctx context.Context, tool, address, name string) (*h2Result, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	progress("h2spec against " + name)
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	file := filepath.Join(t.dir, "h2spec-"+name+".xml")
	output, err := exec.CommandContext(ctx, tool, "-h", host, "-p", port, "-o", "2", "-j", file).CombinedOutput()
	if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
		return nil, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("h2spec left no report: %w\n%s", err, tail(string(output), 20))
	}
	return readH2Report(text)
}

// readH2Report reads a report in the form of JUnit.
func readH2Report(text []byte) (*h2Result, error) {
	var report struct {
		Suites []struct {
			Package string `xml:"package,attr"`
			Cases   []struct {
				Name    string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
				Skipped *struct{} `xml:"skipped"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		return nil, fmt.Errorf("reading the report of h2spec: %w", err)
	}
	r := &h2Result{failed: map[string]bool{}}
	for _, suite := range report.Suites {
		for _, c := range suite.Cases {
			r.cases++
			if c.Failure != nil || c.Error != nil || c.Skipped != nil {
				r.failed[suite.Package+": "+c.Name] = true
			}
		}
	}
	return r, nil
}

// slowMode is a way in which slowhttptest is slow.
type slowMode struct {
	name, path string
	flags      []string
	limit      time.Duration // by when the node must have cut a connection off
}

func slowModes() []slowMode {
	return []slowMode{
		{"slow headers", "/generation", []string{"-H", "-i", "1", "-x", "24", "-t", "GET"}, hastyTime},
		{"slow body", "/echo", []string{"-B", "-i", "1", "-s", "8192", "-t", "POST"}, hastyWhole},
		{"slow read", "/files/large", []string{"-X", "-w", "10", "-y", "20", "-n", "2", "-z", "10", "-k", "1"}, hastyWhole},
	}
}

// slow has slowhttptest open slow connections of each mode, which must be cut off in time while others are served.
func (t *httpTrial) slow(ctx context.Context) error {
	tool, err := exec.LookPath("slowhttptest")
	if err != nil {
		return fmt.Errorf("%w: want the package slowhttptest installed", err)
	}
	u, err := startUpstream()
	if err != nil {
		return err
	}
	defer u.close()
	files := filepath.Join(t.dir, "files")
	if err := errors.Join(os.MkdirAll(files, 0o755), os.WriteFile(filepath.Join(files, "large"), make([]byte, largeFile), 0o644)); err != nil {
		return err
	}
	_, endpoints, _ := strings.Cut(slowConfig(u.address, files), "observe: {access_log: false}\n")
	path, err := t.write("slowhttptest.yaml", listening(hastyTime, hastyTime, time.Minute, hastyWhole)+endpoints)
	if err != nil {
		return err
	}
	n, err := t.start(ctx, path)
	if err != nil {
		return err
	}
	defer n.kill()
	for _, m := range slowModes() {
		if err := t.slowMode(ctx, tool, n, m); err != nil {
			return err
		}
	}
	return nil
}

func (t *httpTrial) slowMode(ctx context.Context, tool string, n *node, m slowMode) error {
	progress("slowhttptest: " + m.name)
	crowd := gather(n.http, ordinary())
	defer crowd.stop()
	if !rest(ctx, time.Second) {
		return ctx.Err()
	}
	base, err := n.files()
	if err != nil {
		return err
	}
	crowd.tally.take()
	const rate = 200
	due := m.limit + 2*cutSlack
	opening := time.Duration(t.each) * time.Second / rate
	args := append(m.flags, "-c", fmt.Sprint(t.each), "-r", fmt.Sprint(rate), "-l", fmt.Sprint(int((opening + 2*due).Seconds())), "-p", "3",
		"-u", "http://"+n.http+m.path)
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait()
	}()
	held, took, err := n.outlast(ctx, base, t.each, due)
	cmd.Process.Kill() // it reads on what lies between the two when the node has long let go
	<-ended
	if err != nil {
		return err
	}
	seen := crowd.tally.take()
	row := httpRow{name: "slowhttptest: " + m.name, cases: t.each,
		note: fmt.Sprintf("held %d at most, all gone after %s (due %s); others: %.0f/s, p99 %s", held, seconds(took), seconds(due), seen.perSecond(), milliseconds(seen.quantile(0.99)))}
	if err := seen.fault("others meanwhile"); err != nil {
		row.bad, row.faults = row.bad+seen.failed, append(row.faults, err.Error())
	}
	if took > due {
		row.bad, row.faults = row.bad+1, append(row.faults, fmt.Sprintf("connections are held after %s; want none after %s\n%s", seconds(took), seconds(due), tail(output.String(), 15)))
	}
	if held < t.each/2 {
		row.bad, row.faults = row.bad+1, append(row.faults, fmt.Sprintf("the node held %d of %d connections at most, so it was not put to the test\n%s", held, t.each, tail(output.String(), 15)))
	}
	t.rows = append(t.rows, row)
	return nil
}

// outlast waits until the node has let go of connections that others open, n of them: how many files it had open more than
// base at most, and how long after that they were gone, or it was late.
func (n *node) outlast(ctx context.Context, base, conns int, late time.Duration) (held int, took time.Duration, err error) {
	for most := time.Now(); ; {
		files, err := n.files()
		if err != nil {
			return held, 0, err
		}
		more := files - base
		if more > held {
			held, most = more, time.Now()
		}
		took = time.Since(most)
		if held >= conns/2 && more <= fewFiles || took > late {
			return held, took, nil
		}
		if !rest(ctx, samplePause) {
			return held, took, ctx.Err()
		}
	}
}
