package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// profileFlag is a flag of the benchmarks that can tell where Sluice's time
// goes.
func (s *settings) profileFlag(flags *flag.FlagSet) {
	flags.StringVar(&s.profile, "profile", "", "file for CPU profiles of Sluice, for go tool pprof; the title of each table goes into its name")
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
