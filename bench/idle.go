package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

// holdConnections names the subcommand that holds connections open.
const holdConnections = "hold-connections"

// holders is how many processes hold the connections, so that each stays
// within its limit of open files.
const holders = 2

const heldLine = "all are held\n"

// runHold opens connections, asks once on each, and holds them until it is
// ended by a signal.
func runHold(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(holdConnections, flag.ContinueOnError)
	to := flags.String("to", "", "address")
	path := flags.String("path", "/", "what to ask for")
	count := flags.Int("count", 0, "connections")
	if err := flags.Parse(args); err != nil {
		return err
	}
	held := make([]net.Conn, 0, *count)
	defer func() {
		for _, conn := range held {
			conn.Close()
		}
	}()
	for range *count {
		conn, err := holdOne(ctx, *to, *path)
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(held)+1, err)
		}
		held = append(held, conn)
	}
	fmt.Print(heldLine)
	<-ctx.Done()
	return nil
}

// holdOne opens a connection that is kept alive after an answer.
func holdOne(ctx context.Context, address, path string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, address); err != nil {
		return nil, err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK || response.Close {
		return nil, fmt.Errorf("status %d, closed: %t", response.StatusCode, response.Close)
	}
	return conn, nil
}

// measureIdle opens idle connections to each server, one after the other, and
// makes a table of what memory each of them takes. perConn is Sluice's.
func (b *bench) measureIdle(ctx context.Context, count int) (t *table, perConn goal, err error) {
	t = &table{header: []string{fmt.Sprintf("%d idle connections", count), "before", "with them", "for each"}}
	perConn = goal{what: fmt.Sprintf("%d idle connections: memory for each", count), limit: 12, unit: " KB"}
	if err := checkFiles(count + 256); err != nil {
		return nil, perConn, err
	}
	for _, with := range []func(origin string) rival{
		func(origin string) rival { return sluice{answers: proxyAnswers(origin)} },
		func(origin string) rival { return nginx{upstream: origin} },
		func(origin string) rival { return netHTTP{upstream: origin} },
		func(origin string) rival { return fasthttpProxy{origin} },
	} {
		name, before, after, err := b.measureHeld(ctx, with, count)
		if err != nil {
			return nil, perConn, err
		}
		if name == "" {
			continue
		}
		each := float64(after-before) / float64(count) / 1000
		t.rows = append(t.rows, []string{name, fmt.Sprintf("%.1f MB", float64(before)/1e6), fmt.Sprintf("%.1f MB", float64(after)/1e6), fmt.Sprintf("%.1f KB", each)})
		if name == sluiceName {
			perConn.measured, perConn.got = true, each
		}
	}
	return t, perConn, nil
}

// measureHeld measures one server, or none when it is left out.
func (b *bench) measureHeld(ctx context.Context, with func(origin string) rival, count int) (name string, before, after int64, err error) {
	defer b.stopAll()
	b.files = 2*count + 256
	origin, err := b.startOrigin(ctx, originPath, originBody)
	if err != nil {
		return "", 0, 0, err
	}
	rivals, err := b.prepare(ctx, []rival{with(origin)})
	if err != nil || len(rivals) == 0 {
		return "", 0, 0, err
	}
	entries, err := b.startAll(ctx, rivals, originPath)
	if err != nil {
		return "", 0, 0, err
	}
	e := entries[0]
	if before, err = e.process.residentMemory(); err != nil {
		return "", 0, 0, err
	}
	if err := b.hold(ctx, e, count); err != nil {
		return "", 0, 0, fmt.Errorf("%s: holding %d connections: %w", e.name, count, err)
	}
	if after, err = e.process.residentMemory(); err != nil {
		return "", 0, 0, err
	}
	open, err := e.process.sockets()
	if err == nil && open < count {
		err = fmt.Errorf("%s: %d sockets of %d: %w", e.name, open, count, errNotHeld)
	}
	return e.name, before, after, err
}

// hold has processes of their own open connections to a server, and waits
// until all are there.
func (b *bench) hold(ctx context.Context, e *entry, count int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for i := range holders {
		share := count / holders
		if i == 0 {
			share += count % holders
		}
		p, err := b.start(fmt.Sprintf("hold%d", i), b.loadCores, self, holdConnections,
			"-to", e.base[len("http://"):], "-path", originPath, "-count", strconv.Itoa(share))
		if err != nil {
			return err
		}
		if err := p.waitPrinted(ctx, heldLine); err != nil {
			return err
		}
	}
	return nil
}

// waitPrinted waits until a process has printed a text.
func (p *process) waitPrinted(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !bytes.Contains(p.lastOutput(), []byte(text)) {
		select {
		case <-p.ended:
			return fmt.Errorf("%s has ended:\n%s", p.name, p.lastOutput())
		case <-ctx.Done():
			return fmt.Errorf("%s did not print %q: %w; it printed:\n%s", p.name, text, ctx.Err(), p.lastOutput())
		case <-tick.C:
		}
	}
	return nil
}
