package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serveBytes names the subcommand that is the upstream of large bodies.
const serveBytes = "serve-bytes"

const bytesPath = "/bytes/" // and how many

// startBytes starts the upstream of large bodies on the load's core.
func (b *bench) startBytes(ctx context.Context) (address string, err error) {
	return b.startSelf(ctx, serveBytes, bytesPath+"1")
}

func runBytes(ctx context.Context, args []string) error {
	return runSelf(ctx, serveBytes, args, newBytes())
}

// newBytes gives as many bytes as it is asked for, and tells how many it was
// given.
func newBytes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+bytesPath+"{size}", func(w http.ResponseWriter, r *http.Request) {
		size, ok := number(w, r.PathValue("size"))
		if !ok {
			return
		}
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		io.Copy(w, zeros(size)) // an error here is a client that has left
	})
	mux.HandleFunc("PUT "+bytesPath+"{size}", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			http.Error(w, "the body ended early", http.StatusBadRequest)
			return
		}
		fmt.Fprint(w, n)
	})
	return mux
}

// zeros are so many of them.
func zeros(size int64) io.Reader { return io.LimitReader(zero{}, size) }

type zero struct{}

func (zero) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// upload sends a body of that size and makes sure that all of it arrived.
func upload(ctx context.Context, base string, size int64) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, base+bytesPath+strconv.FormatInt(size, 10), zeros(size))
	if err != nil {
		return err
	}
	request.ContentLength = size
	status, body, err := send(request)
	if err == nil && (status != http.StatusOK || string(body) != strconv.FormatInt(size, 10)) {
		err = fmt.Errorf("the answer is %d %.200s; want 200 and the size", status, body)
	}
	return err
}

// download fetches a body of that size.
func download(ctx context.Context, base string, size int64) error {
	got, err := drainAnswer(ctx, base+bytesPath+strconv.FormatInt(size, 10))
	if err == nil && got != size {
		err = fmt.Errorf("%d bytes came", got)
	}
	return err
}

// measureLarge sends a large body through Sluice in each direction and says
// how much memory the process had at most, each time of a new one.
func (b *bench) measureLarge(ctx context.Context, size int64) ([]goal, error) {
	goals := []goal{}
	for _, way := range []struct {
		name string
		move func(ctx context.Context, base string, size int64) error
	}{{"up", upload}, {"down", download}} {
		peak, err := b.measurePeak(ctx, size, way.name, way.move)
		if err != nil {
			return nil, fmt.Errorf("%d bytes %s: %w", size, way.name, err)
		}
		goals = append(goals, goal{what: fmt.Sprintf("%.3g GB %s: memory at most", float64(size)/1e9, way.name),
			limit: 64, unit: " MB", measured: true, got: float64(peak) / 1e6})
	}
	return goals, nil
}

func (b *bench) measurePeak(ctx context.Context, size int64, name string, move func(ctx context.Context, base string, size int64) error) (peak int64, err error) {
	defer b.stopAll()
	upstream, err := b.startBytes(ctx)
	if err != nil {
		return 0, err
	}
	entries, err := b.startAll(ctx, []rival{sluice{limits: "{max_body: 1000GiB, whole_timeout: 1h}", answers: anyAnswers(upstream)}}, bytesPath+"1")
	if err != nil {
		return 0, err
	}
	e := entries[0]
	began := time.Now()
	if err := move(ctx, e.base, size); err != nil {
		return 0, err
	}
	took := time.Since(began).Seconds()
	if peak, err = peakMemory(e.process.cmd.Process.Pid); err != nil {
		return 0, err
	}
	fmt.Printf("%d bytes %s through sluice in %.1f s (%.0f MB/s): %.1f MB of memory at most\n", size, name, took, float64(size)/1e6/took, float64(peak)/1e6)
	return peak, nil
}

// residentMemory is what a process and its descendants have resident, in
// bytes (VmRSS, proc(5)); what they share counts for each.
func (p *process) residentMemory() (total int64, err error) {
	pids, err := p.pids()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		status, err := os.ReadFile("/proc/" + pid + "/status")
		if err != nil {
			return 0, err
		}
		resident, err := parseMemory(string(status), "VmRSS")
		if err != nil {
			return 0, err
		}
		total += resident
	}
	return total, nil
}

// sockets is how many a process and its descendants have open.
func (p *process) sockets() (n int, err error) {
	pids, err := p.pids()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		files, err := filepath.Glob("/proc/" + pid + "/fd/*")
		if err != nil {
			return 0, err
		}
		for _, file := range files {
			target, err := os.Readlink(file)
			if err == nil && strings.HasPrefix(target, "socket:") {
				n++
			}
		}
	}
	return n, nil
}

// checkFiles makes sure that a process may have so many files open.
func checkFiles(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max < uint64(n) {
		return fmt.Errorf("a process may have %d files open, and needs %d; raise the hard limit (ulimit -Hn), or want fewer by -idle", limit.Max, n)
	}
	return nil
}

// errNotHeld is for connections that a server has closed again.
var errNotHeld = errors.New("it does not hold the connections")
