package config_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

// backend is a document with one backend, a, of the kind limit with that block.
func backend(t *testing.T, block string) (*config.Document, config.Block) {
	t.Helper()
	d := load(write(t, "f.yaml", "sluice: 1\nbackends:\n  a:\n    limit: "+block+"\n")...)
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	return d, d.File.Backends[0].Value.Kinds[0]
}

func TestFill(t *testing.T) {
	t.Parallel()
	for block, check := range map[string]func(l limit) bool{
		"5/s":         func(l limit) bool { return l.Rate.Count == 5 && l.Burst == 1 && l.Wait == time.Second && l.Nested.Lazy },
		"{rate: 5/s}": func(l limit) bool { return l.Rate.Count == 5 && l.Size == nil },
		"{rate: 5/s, burst: 3, wait: 1h, size: 1KiB}": func(l limit) bool {
			return l.Burst == 3 && l.Wait == time.Hour && *l.Size == 1024
		},
		"{rate: 5/s, nested: {query: q, lazy: false}}":     func(l limit) bool { return l.Nested.Query == "q" && !l.Nested.Lazy },
		"{rate: 5/s, steps: [{query: q}, {query: r}]}":     func(l limit) bool { return len(l.Steps) == 2 && l.Steps[1].Lazy },
		`{rate: 5/s, burst: "${WAIT2:-9}"}`:                func(l limit) bool { return l.Burst == 9 },
		`{rate: 5/s, nested: {query: q, lazy: "${TRUE}"}}`: func(l limit) bool { return l.Nested.Lazy },
		`{rate: 5/s, exempt: ["$${A} ${NAME}-${EMPTY:-x}", '${EMPTY}', "${YAML}"]}`: func(l limit) bool {
			return l.Exempt[0] == "${A} shop-x" && l.Exempt[1] == "" && l.Exempt[2] == "{a: b}"
		},
		`{rate: 5/s, schema: {a: 1.10, b: 12345678901234567890, c: 2001-01-01, d: ~, e: "5", f: [true, "${PORT}"]}}`: func(l limit) bool {
			return string(l.Schema) == `{"a":1.10,"b":12345678901234567890,"c":"2001-01-01","d":null,"e":"5","f":[true,"8080"]}`
		},
		"{rate: 5/s, names: a, keys: b}": func(l limit) bool {
			return slices.Equal(l.Names, []string{"a"}) && len(l.Keys) == 1 && l.Keys[0].Reveal() == "b"
		},
		"{rate: 5/s, names: [a, b], keys: [c, d]}": func(l limit) bool { return len(l.Names) == 2 && len(l.Keys) == 2 },
		"{rate: 5/s, any: 1.10}":                   func(l limit) bool { return l.Any == "1.10" },
		"{rate: 5/s, any: true}":                   func(l limit) bool { return l.Any == "true" },
		"{rate: 5/s, key: \"${KEY}\"}":             func(l limit) bool { return l.Key.Reveal() == "0123456789abcdef" },
	} {
		t.Run(block, func(t *testing.T) {
			t.Parallel()
			d, b := backend(t, block)
			var l limit
			if !b.Fill(&l) || d.Err() != nil {
				t.Fatal(d.Err())
			}
			if !check(l) {
				t.Errorf("%+v", l)
			}
		})
	}
}

func TestFillKeepsTheDefaultsThatStand(t *testing.T) {
	t.Parallel()
	_, b := backend(t, "{rate: 5/s}")
	size := sluice.Size(7)
	l := limit{Burst: 4, Mode: "fast", Size: &size, Exempt: []string{"a"}}
	if !b.Fill(&l) || l.Burst != 4 || l.Mode != "fast" || *l.Size != 7 || l.Exempt[0] != "a" {
		t.Errorf("%+v", l)
	}
	_, b = backend(t, "{rate: 5/s, size: 1KB, exempt: []}")
	if !b.Fill(&l) || *l.Size != 1000 || size != 7 || len(l.Exempt) != 0 {
		t.Errorf("%+v, and the default is %d", l, size)
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	_, same := backend(t, "{rate: 5/s, burst: 8080, mode: fast}")
	for block, equal := range map[string]bool{
		"\n      rate: 5/s # why\n      burst: 8080\n      mode: 'fast'": true,
		"{rate: 5/s, burst: \"8080\", mode: fast}":                       false,
		"{rate: 5/s, burst: 8080, mode: exact}":                          false,
		"{rate: 5/s, burst: 8080}":                                       false,
		"{burst: 8080, rate: 5/s, mode: fast}":                           false,
		"[rate, 5/s, burst, 8080, mode, fast]":                           false,
	} {
		// The folder counts, so each block is read from the folder of the first.
		d := load(write(t, "f.yaml", "sluice: 1\nbackends:\n  a: {limit: {rate: 5/s, burst: 8080, mode: fast}}\n  b:\n    limit: "+block+"\n")...)
		first, second := d.File.Backends[0].Value.Kinds[0], d.File.Backends[1].Value.Kinds[0]
		if got := first.Fingerprint() == second.Fingerprint(); got != equal {
			t.Errorf("%s: equal is %v, want %v", block, got, equal)
		}
		if first.Fingerprint() == same.Fingerprint() {
			t.Error("two folders have one fingerprint")
		}
	}
	d := load(write(t, "f.yaml", "sluice: 1\nbackends:\n  a: {limit: {burst: 8080}}\n  b:\n    limit: {burst: 8080}\n  c:\n    limit:\n      burst: ${PORT}\n")...)
	all := d.File.Backends
	if all[0].Value.Kinds[0].Fingerprint() != all[2].Value.Kinds[0].Fingerprint() {
		t.Error("what was expanded has a fingerprint of its own")
	}
}

func TestFault(t *testing.T) {
	t.Parallel()
	d := load(write(t, "f.yaml", `sluice: 1
endpoints:
  get:
    route: GET /a
    policies:
      - limit: 5/s
      - other: {a: [1, 2]}
      - bare
`)...)
	for _, fault := range []struct {
		path string
		err  error
		want string
	}{
		{"endpoints.get", errors.New("x"), "3:3: endpoints.get: x"},
		{"endpoints.get.route", errors.New("x"), "4:12: endpoints.get.route: x"},
		{"endpoints.get.route", &sluice.FieldError{Offset: 5, Err: errors.New("x")}, "4:16: endpoints.get.route: x"},
		{"endpoints.get.policies[0].limit", sluice.At("rate", errors.New("x")), "6:16: endpoints.get.policies[0].limit: x"},
		{"endpoints.get.policies[0].limit", &sluice.FieldError{Field: "rate", Offset: 3, Err: errors.New("x")}, "6:18: endpoints.get.policies[0].limit: x"},
		{"endpoints.get.policies[1].other", sluice.At("a[1]", errors.New("x")), "7:24: endpoints.get.policies[1].other.a[1]: x"},
		{"endpoints.get.policies[1].other", sluice.At("a", sluice.At("[9]", errors.New("x"))), "7:17: endpoints.get.policies[1].other.a[9]: x"},
		{"endpoints.get.policies[2].bare", errors.New("a\nb"), "8:9: endpoints.get.policies[2].bare: a b"},
		{"endpoints.post.sql", errors.New("x"), "2:1: endpoints.post.sql: x"},
		{"nowhere", errors.New("x"), "1:1: nowhere: x"},
		{"", errors.New("x"), "1:1: x"},
		{"nowhere", fmt.Errorf("a: %w, %w", errors.New("x"), errors.New("y")), "1:1: nowhere: a: x, y"},
	} {
		fresh := load(d.Sources()...)
		fresh.Fault(fault.path, fault.err)
		if got := fresh.Err().Error(); strings.TrimPrefix(got, d.Sources()[0]+":") != fault.want {
			t.Errorf("got %s, want %s", got, fault.want)
		}
	}
	d.Fault("endpoints", errors.Join(sluice.At("b", errors.New("x")), errors.Join(errors.New("y"), errors.New("z"))))
	if got := len(d.Err().(config.Mistakes)); got != 3 {
		t.Errorf("%d mistakes of three joined errors", got)
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	t.Parallel()
	const secret = "tr0ub4dor"
	for _, file := range []string{
		"state: {keys: tr0ub4dor}\n",
		"state: {keys: [{tr0ub4dor}]}\n",
		"state: {keys: [[tr0ub4dor]]}\n",
		"state: {keys: [*tr0ub4dor]}\n",
		"state: {keys: [!tr0ub4dor]}\n",
		"state: {keys: [\"tr0ub4dor]}\n",
		"state: {keys: [@tr0ub4dor]}\n",
		"state: {keys: [(tr0ub4dor, x)]}\n",
		"state: {keys: [\"\\tr0ub4dor\\q\"]}\n",
		"state:\n  keys: tr0ub4dor: x\n",
		"state:\n  keys:\n    - (tr0ub4dor #\n",
		"nodes: ${file:secret.txt}\n",
		"nodes: a${file:secret.txt}b\n",
		"include: [\"${file:secret.txt}\"]\n",
		"listen: {http: \"${file:secret.txt}\"}\n",
		"listen: {limits: {max_body: \"${file:secret.txt}\"}}\n",
		"endpoints: {a: {route: GET /, respond: {headers: {a: \"{${file:secret.txt}\"}}}}\n",
		"endpoints: {a: {route: GET /, respond: {json: {a: [\"{${file:secret.txt}\"]}}}}\n",
		"every_request: [\"${file:secret.txt}!\"]\n",
		"every_request: [{limit: {rate: 5/s, key: [tr0ub4dor]}}]\n",
		"every_request: [{limit: {rate: 5/s, key: {tr0ub4dor}}}]\n",
		"every_request: [{limit: {rate: 5/s, keys: {tr0ub4dor}}}]\n",
		"every_request: [{limit: {rate: 5/s, keys: [[tr0ub4dor]]}}]\n",
		"every_request: [{limit: {rate: 5/s, burst: 0, keys: tr0ub4dor}}]\n",
		"every_request: [{limit: {rate: 5/s, key: \"tr0ub4d\"}}]\n",
		"every_request: [{limit: {rate: 5/s, key: \"${X:-tr0ub4d\"}}]\n",
	} {
		files := write(t, "f.yaml", "sluice: 1\n"+file, "secret.txt", secret+"\n")
		err := loadAll(files[0]).Err()
		if err == nil {
			t.Errorf("%s: no mistake", file)
		} else if strings.Contains(err.Error(), "tr0") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestNothingMoreIsSaidOfWhatCouldNotBeRead(t *testing.T) {
	t.Parallel()
	d := load(write(t, "f.yaml", "sluice: 1\nnodes: ${NOT_SET}\nendpoints:\n  a: {route: 5}\n  b: {route: GET /}\nevery_request: [\"a b\"]\n")...)
	before := len(d.Err().(config.Mistakes))
	for _, path := range []string{"nodes", "endpoints.a.route", "every_request[0]"} {
		d.Fault(path, errors.New("this seems to be missing"))
	}
	if after := len(d.Err().(config.Mistakes)); after != before {
		t.Error(d.Err())
	}
	d.Fault("endpoints.b.route", errors.New("x"))
	if after := len(d.Err().(config.Mistakes)); after != before+1 {
		t.Error("what could be read is spared")
	}
}

func TestUndocumented(t *testing.T) {
	t.Parallel()
	for _, k := range kinds() {
		got := strings.Join(config.Undocumented(&k), " ")
		if !strings.Contains(got, "nested.rows") || strings.Contains(got, "burst") {
			t.Errorf("%s: %s", k.Name, got)
		}
	}
}

func TestDefaultsOfPathsAndMaps(t *testing.T) {
	t.Parallel()
	d, b := backend(t, "{rate: 5/s, headers: {x-b: b}}")
	l := limit{File: "key.pem", Headers: sluice.Map[sluice.Template]{{Name: "x-a"}}}
	if !b.Fill(&l) {
		t.Fatal(d.Err())
	}
	if want := filepath.Join(filepath.Dir(d.Sources()[0]), "key.pem"); string(l.File) != want {
		t.Errorf("the path is %s, want %s", l.File, want)
	}
	if len(l.Headers) != 1 || l.Headers[0].Name != "x-b" {
		t.Errorf("the headers are %v, want those of the file alone", l.Headers)
	}
}

func TestPlacesInText(t *testing.T) {
	t.Parallel()
	for text, places := range map[string]map[int]string{
		"plain text\n        goes on": {1: "4:14", 7: "4:20", 12: "5:9", 17: "5:14"},
		"'it''s'":                     {1: "4:15", 3: "4:17", 4: "4:19"},
		"\"a\\tb\\u00e9c\"":           {1: "4:15", 2: "4:16", 3: "4:18", 4: "4:19", 6: "4:25"},
		"|\n          a\n            b\n\n          c": {1: "5:11", 3: "6:11", 5: "6:13", 8: "8:11"},
		">\n          a\n          b":                  {1: "5:11", 3: "6:11"},
		"é{x}":                                         {1: "4:14", 3: "4:15", 4: "4:16"},
		"a${NAME}b":                                    {1: "4:14", 2: "4:15", 5: "4:15", 6: "4:22", 99: "4:14"},
		"$${b":                                         {1: "4:14", 3: "4:17"},
	} {
		for offset, want := range places {
			d := load(write(t, "f.yaml", "sluice: 1\nbackends:\n  a:\n    limit:   "+text+"\n")...)
			if d.Err() != nil {
				t.Fatal(d.Err())
			}
			d.Fault("backends.a.limit", &sluice.FieldError{Offset: offset, Err: errors.New("x")})
			m := d.Err().(config.Mistakes)[0]
			if got := fmt.Sprintf("%d:%d", m.Line, m.Column); got != want {
				t.Errorf("byte %d of %q is at %s, want %s", offset, text, got, want)
			}
		}
	}
}

func TestTagsThatSayNothingPanic(t *testing.T) {
	t.Parallel()
	for name, into := range map[string]any{
		"option": &struct {
			A string `yaml:"a,omitempty"`
		}{},
		"pointer": &struct {
			A *int `yaml:"a" default:"1"`
		}{},
		"one": &struct {
			A string `yaml:"a,one"`
		}{},
		"map": &struct {
			A map[string]int `yaml:"a"`
		}{},
		"default": &struct {
			A int `yaml:"a" default:"x"`
		}{},
	} {
		_, b := backend(t, "{}")
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			b.Fill(into)
		}()
	}
}
