package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// newProfiled is newBench, from its command line, for a benchmark whose only
// flag of its own is -profile, by which it tells where Sluice's time goes.
func newProfiled(ctx context.Context, name string, args []string) (*bench, error) {
	flags, s := newFlags(name)
	flags.StringVar(&s.profile, "profile", "", "file for CPU profiles of Sluice, for go tool pprof; the title of each table goes into its name")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	return newBench(ctx, *s)
}

// profileSluice has Sluice profile itself during one more run, which does not
// count.
func (b *bench) profileSluice(ctx context.Context, title string, entries []*entry, path, script string) error {
	e := find(entries, sluiceName)
	if b.profile == "" || e == nil {
		return nil
	}
	type answer struct {
		text []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() {
		url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%g", e.process.admin, b.duration.Seconds())
		status, text, err := fetch(ctx, url)
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%s: %d %s", url, status, text)
		}
		answered <- answer{text, err}
	}()
	_, err := b.wrk(ctx, b.duration, e.base+path, script)
	profile := <-answered
	if err != nil {
		return err
	}
	if profile.err != nil {
		return fmt.Errorf("profiling sluice: %w", profile.err)
	}
	file := profileFile(b.profile, title)
	if err := os.WriteFile(file, profile.text, 0o644); err != nil {
		return err
	}
	fmt.Printf("CPU profile of sluice, %s: %s\n\n", title, file)
	return nil
}

// profileFile puts a table's title before the extension of a file.
func profileFile(file, title string) string {
	extension := filepath.Ext(file)
	words := strings.FieldsFunc(title, func(r rune) bool { return r == ' ' || r == ',' || r == ':' || r == '/' })
	return strings.TrimSuffix(file, extension) + "-" + strings.Join(words, "-") + extension
}
