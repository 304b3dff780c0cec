package config_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

var update = flag.Bool("update", false, "write what the files under testdata give now")

// limit is a kind as users write one; it has a field of every sort that tests need.
type limit struct {
	// How many requests pass in which time.
	Rate sluice.Rate `yaml:"rate,short" required:"true"`
	// How many may come at once.
	Burst int `yaml:"burst" default:"1" min:"1" max:"1000"`
	// Whom the limit is for.
	By      sluice.Reference            `yaml:"by"`
	Mode    string                      `yaml:"mode" enum:"fast,exact"`
	Wait    time.Duration               `yaml:"wait" default:"1s" min:"10ms" max:"1h"`
	Share   float64                     `yaml:"share" max:"1"`
	Exempt  []string                    `yaml:"exempt"`
	Names   []string                    `yaml:"names,one"`
	Keys    []sluice.Secret             `yaml:"keys,one"`
	Key     sluice.Secret               `yaml:"key"`
	File    sluice.Path                 `yaml:"file"`
	Size    *sluice.Size                `yaml:"size"`
	Path    sluice.PathTemplate         `yaml:"path"`
	Headers sluice.Map[sluice.Template] `yaml:"headers" names:"header"`
	Body    sluice.JSONTemplate         `yaml:"body"`
	Schema  sluice.RawJSON              `yaml:"schema"`
	Nested  nested                      `yaml:"nested"`
	// What runs one after the other.
	Steps []nested      `yaml:"steps"`
	Any   sluice.Scalar `yaml:"any"`
}

// limitUse is the limit as a backend's block in an endpoint.
type limitUse struct {
	// The name of the limit under backends.
	Backend string `yaml:"backend"`
	limit
}

// nested is one step. A step runs once.
type nested struct {
	// The step's query.
	Query string `yaml:"query" required:"true"`
	Rows  *int   `yaml:"rows"`
	Lazy  bool   `yaml:"lazy" default:"true"`
}

func (l *limit) Check() error {
	var all []error
	if l.Key != "" && len(l.Key) < 8 {
		all = append(all, sluice.At("key", errors.New("a key of "+l.Key.Reveal()+" is too short; want 8 bytes")))
	}
	if l.Mode == "exact" && l.By.IsZero() {
		all = append(all, sluice.At("by", errors.New("an exact limit is missing whom it is for; want a reference")))
	}
	return errors.Join(all...)
}

// environment is what variables the tests see.
func environment(name string) (string, bool) {
	value, found := map[string]string{
		"PORT": "8080", "NAME": "shop", "EMPTY": "", "KEY": "0123456789abcdef", "SHORT": "hunter2", "YAML": "{a: b}",
		"ADDRESS": ":8080", "WAIT": "5s", "TRUE": "true",
	}[name]
	return value, found
}

func load(files ...string) *config.Document {
	return config.Load(files, config.Options{Lookup: environment})
}

// loadAll loads files and fills every block as a limit, as a build would.
func loadAll(files ...string) *config.Document {
	d := load(files...)
	fill := func(blocks []config.Block) {
		for _, b := range blocks {
			if b.Kind != "limit" {
				d.Fault(b.Path, errors.New("unknown kind; want limit"))
				continue
			}
			var l limit
			b.Fill(&l)
			d.References(b.Path, &l, func(r *sluice.Reference, fault func(error)) {
				if err := r.Bind(sluice.Scope{Endpoint: &sluice.Endpoint{}}); err != nil {
					fault(err)
				}
			})
		}
	}
	each := func(policies []config.Policy) {
		for _, p := range policies {
			fill(p.Kinds)
		}
	}
	each(d.File.EveryRequest)
	each(d.File.EveryEndpoint)
	for _, e := range d.File.Policies {
		each(e.Value)
	}
	for _, e := range d.File.Backends {
		fill(e.Value.Kinds)
	}
	for _, e := range d.File.Endpoints {
		each(e.Value.Policies)
		fill(e.Value.Kinds)
	}
	return d
}

// write makes a folder with files, given as name and content in turn, and returns the path of each.
func write(t *testing.T, files ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for i := 0; i < len(files); i += 2 {
		name := filepath.Join(dir, files[i])
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(files[i+1]), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	return names
}

func TestBad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) < 45 {
		t.Errorf("%d files, %v; want 45 or more", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			err := loadAll(file).Err()
			if err == nil {
				t.Fatal("no mistake")
			}
			got := strings.ReplaceAll(err.Error(), "testdata/bad/", "") + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

func TestGood(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if err := loadAll(file).Err(); err != nil {
				t.Error(err)
			}
		})
	}
}
