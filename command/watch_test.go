package command

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// folder makes a folder with a file in it.
func folder(t *testing.T, dir, text string) string {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return write(t, filepath.Join(dir, "sluice.yaml"), text)
}

// swap makes a link lead elsewhere, in one step.
func swap(t *testing.T, link, target string) {
	t.Helper()
	if err := os.Symlink(target, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, dir string) (file string, change func()){
		"written": func(t *testing.T, dir string) (string, func()) {
			file := folder(t, dir+"/a", "1")
			return file, func() { write(t, file, "22") }
		},
		"replaced": func(t *testing.T, dir string) (string, func()) {
			file := folder(t, dir+"/a", "1")
			return file, func() { replace(t, file, "22") }
		},
		"a link to the file, whose target is written": func(t *testing.T, dir string) (string, func()) {
			real := folder(t, dir+"/a", "1")
			link := dir + "/main.yaml"
			swap(t, link, "a/sluice.yaml")
			return link, func() { write(t, real, "22") }
		},
		"a link to the folder, which is swapped": func(t *testing.T, dir string) (string, func()) {
			folder(t, dir+"/rel1", "1")
			folder(t, dir+"/rel2", "22")
			swap(t, dir+"/current", "rel1")
			return dir + "/current/sluice.yaml", func() { swap(t, dir+"/current", "rel2") }
		},
		"links as Kubernetes makes them for a config map": func(t *testing.T, dir string) (string, func()) {
			folder(t, dir+"/..1", "1")
			folder(t, dir+"/..2", "22")
			swap(t, dir+"/..data", "..1")
			swap(t, dir+"/sluice.yaml", "..data/sluice.yaml")
			return dir + "/sluice.yaml", func() { swap(t, dir+"/..data", "..2") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file, change := prepare(t, t.TempDir())
			c, stop, err := watch([]string{file})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
			change()
			select {
			case <-c.changed():
			case <-time.After(patience):
				t.Error("the change was not seen")
			}
		})
	}
}
