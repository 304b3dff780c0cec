package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/sluiceapi/sluice/config"
)

// How messages are served is the same whether an endpoint has an empty block or none.
func TestConsumption(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sluice.yaml")
	text := "sluice: 1\nendpoints:\n  a:\n    route: consume events q\n    static: {}\n  b:\n    route: consume events r\n    consume: {dead: \"\"}\n    static: {}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	doc := config.Load([]string{file}, config.Options{Lookup: func(string) (string, bool) { return "", false }})
	a, _ := doc.File.Endpoints.Value("a")
	b, _ := doc.File.Endpoints.Value("b")
	if b.Consume == nil || !reflect.DeepEqual(a.Consumption(), b.Consumption()) || a.Consumption().Attempts != 5 {
		t.Errorf("without a block %+v, with one %+v", a.Consumption(), b.Consume)
	}
}
