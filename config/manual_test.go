package config_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	yaml "go.yaml.in/yaml/v4"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/config"
)

//go:embed document_test.go
var source string

// answers is a backend that tests only name.
type answers struct{}

func (answers) Handle(*sluice.Env, *sluice.Endpoint, *limitUse) (sluice.Handler, error) {
	return nil, nil
}

func kinds() []sluice.Kind {
	return []sluice.Kind{
		sluice.NewPolicy("limit", limit{Exempt: []string{"a", "b"}}, func(*sluice.Env, *sluice.Endpoint, *limit) (sluice.Policy, error) {
			return nil, nil
		}, sluice.Manual(source), sluice.Before("cache", "what was refused must not be kept"), sluice.NeedsCaller()),
		sluice.NewBackend("limit", limit{}, limitUse{}, func(*sluice.Env, *limit) (answers, error) {
			return answers{}, nil
		}, sluice.Manual("package other\n\ntype other struct{}\n"), sluice.Manual(source)),
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	for _, k := range kinds() {
		if err := config.Explain(&got, &k, kinds()); err != nil {
			t.Fatal(err)
		}
	}
	golden(t, "testdata/explain.txt", got.Bytes())
}

func TestReference(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := config.Reference(&got, kinds()); err != nil {
		t.Fatal(err)
	}
	golden(t, "testdata/reference.md", got.Bytes())
	for _, want := range []string{`reference = name { "." ( name | number ) } .`, "| `rate_limited` | 429 |"} {
		if strings.Count(got.String(), want) != 1 {
			t.Errorf("it does not say %s once", want)
		}
	}
}

// golden compares with a file, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what it was: run with -update and look at the difference", name)
	}
}

// compiled is the schema of the test's kinds.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema(kinds())))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:config", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:config")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is a YAML text as the schema sees it.
func instance(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	if err := yaml.Load(text, &value); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSchemaTakesWhatIsGood(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(instance(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestSchemaRefusesWhatIsBad(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for _, text := range []string{
		"nodes: 1",
		"{sluice: 2}",
		"{sluice: 1, listn: {}}",
		"{sluice: 1, nodes: 0}",
		"{sluice: 1, observe: {log_level: loud}}",
		"{sluice: 1, listen: {limits: {idle_timeout: 10}}}",
		"{sluice: 1, listen: {limits: {max_body: 10}}}",
		"{sluice: 1, every_request: [{limit: {rate: 5}}]}",
		"{sluice: 1, every_request: [{limit: {}}]}",
		"{sluice: 1, every_request: [limit]}",
		"{sluice: 1, every_request: [{limit: 5/s, use: a}]}",
		"{sluice: 1, every_request: [{other: {}}]}",
		"{sluice: 1, endpoints: {a b: {route: GET /}}}",
		"{sluice: 1, endpoints: {a: {route: GET /, respond: {headers: {a b: x}}}}}",
	} {
		if s.Validate(instance(t, []byte(text))) == nil {
			t.Errorf("%s is taken", text)
		}
	}
}

func TestSchemaHasDescriptions(t *testing.T) {
	t.Parallel()
	text := string(config.Schema(kinds()))
	for _, want := range []string{"Where the node listens.", "The status.", "How many requests pass in which time.", "A regular expression (RE2)", `"default": "10s"`, `"default": 250`} {
		if !strings.Contains(text, want) {
			t.Errorf("the schema does not say %s", want)
		}
	}
}
