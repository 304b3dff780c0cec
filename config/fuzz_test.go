package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/sluiceapi/sluice/config"
)

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(content))
		}
	}
	f.Fuzz(func(t *testing.T, content string) {
		name := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := loadAll(name).Err()
		if err == nil {
			return
		}
		lines := strings.Split(strings.TrimPrefix(content, "\ufeff"), "\n")
		for _, m := range err.(config.Mistakes) {
			if m.File == name && (m.Line < 1 || m.Line > len(lines) || m.Column < 1 || m.Column > utf8.RuneCountInString(lines[m.Line-1])+1) {
				t.Errorf("%v is not inside the file of %d lines", m, len(lines))
			}
			if strings.ContainsAny(m.String(), "\n\r") || m.Message == "" {
				t.Errorf("%q is not one line", m.String())
			}
		}
	})
}
