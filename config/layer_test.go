package config_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sluiceapi/sluice/config"
)

// names are the names of the entries under backends, with the kind of each.
func names(d *config.Document) string {
	var all []string
	for _, e := range d.File.Backends {
		all = append(all, e.Name+"="+e.Value.Kinds[0].Kind)
	}
	return strings.Join(all, " ")
}

func TestOverlay(t *testing.T) {
	t.Parallel()
	files := write(t,
		"base.yaml", `
sluice: 1
nodes: 2
listen: {http: ":1", admin: ":2"}
backends:
  a: {old: {url: "${NOT_SET_AT_ALL}"}}
  b: {old: {}}
`,
		"over/prod.yaml", `
listen: {http: ":3"}
backends:
  a: {new: {file: x.pem}}
  c: {new: {}}
endpoints:
  get: {route: GET /}
`)
	d := load(files...)
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := names(d), "a=new b=old c=new"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if d.File.Nodes != 2 || d.File.Listen.HTTP.Address != ":3" || d.File.Listen.Admin != nil || len(d.File.Endpoints) != 1 {
		t.Errorf("%+v", d.File)
	}
	var l limit
	d.File.Backends[0].Value.Kinds[0].Fill(&l)
	if want := filepath.Join(filepath.Dir(files[1]), "x.pem"); string(l.File) != want {
		t.Errorf("the path is %s, want %s", l.File, want)
	}
	err := d.Err()
	if err == nil || !strings.Contains(err.Error(), "prod.yaml:4:7: backends.a.new.rate: this key is missing") {
		t.Errorf("got %v, want the mistake in the overlay", err)
	}
}

func TestIncludes(t *testing.T) {
	t.Parallel()
	files := write(t,
		"base.yaml", "sluice: 1\ninclude: [parts/a.yaml, \"parts/${NAME}.yaml\"]\nbackends: {x: {k: {}}}\n",
		"parts/a.yaml", "sluice: 1\ninclude: [deep/b.yaml]\nbackends: {y: {k: {file: y.pem}}}\nnodes: 3\n",
		"parts/deep/b.yaml", "backends: {z: {k: {key: \"${file:key.txt}\"}}}\n",
		"parts/shop.yaml", "backends: {s: {k: {}}}\n",
		"parts/deep/key.txt", "a secret text\n",
	)
	d := load(files[0])
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	if got, want := names(d), "x=k y=k z=k s=k"; got != want || d.File.Nodes != 3 {
		t.Errorf("got %s and %d nodes, want %s and 3", got, d.File.Nodes, want)
	}
	want := []string{files[0], files[1], files[2], files[3], files[4]}
	got := d.Sources()
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("sources:", diff)
	}
}

func TestMistakesComeInTheOrderOfFiles(t *testing.T) {
	t.Parallel()
	files := write(t,
		"z.yaml", "sluice: 1\nnodes: x\ninclude: [b.yaml]\nobserve: {access_log: x}\n",
		"a.yaml", "listen: [\n",
		"b.yaml", "state: {keys: x}\n",
	)
	err := load(files[0], files[1]).Err()
	if err == nil {
		t.Fatal("no mistake")
	}
	var got []string
	for _, m := range err.(config.Mistakes) {
		got = append(got, filepath.Base(m.File)+" "+m.Path)
	}
	want := []string{"z.yaml nodes", "z.yaml observe.access_log", "b.yaml state.keys", "a.yaml "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestFileThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := load("testdata/nowhere.yaml")
	want := "testdata/nowhere.yaml:1:1: reading the file: there is no such file; want a file there"
	if err := d.Err(); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if d.Complete() {
		t.Error("complete without its only file")
	}
	if err := load().Err(); err != nil {
		t.Error(err)
	}
}
