package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const source = "../.."

// madeOnce is the image of the sources, made once for all tests.
var madeOnce = sync.OnceValues(func() (*made, error) { return build(context.Background(), defaults(source)) })

func defaults(source string) recipe {
	return recipe{source: source, platforms: []string{"linux/amd64", "linux/arm64"}, version: "test"}
}

func setup(t *testing.T) *made {
	t.Helper()
	m, err := madeOnce()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestPushed pushes to a registry, pulls what this machine would, and runs it.
func TestPushed(t *testing.T) {
	t.Parallel()
	m := setup(t)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/sluice:test")
	if err != nil {
		t.Fatal(err)
	}
	if err := upload(t.Context(), ref, m.index); err != nil {
		t.Fatal(err)
	}
	pulled, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(pulled); err != nil {
		t.Error(err)
	}
	image, err := remote.Image(ref, remote.WithPlatform(v1.Platform{OS: "linux", Architecture: runtime.GOARCH}))
	if err != nil {
		t.Fatal(err)
	}
	root := unpack(t, image)
	out, err := exec.Command(filepath.Join(root, binaryPath), "version").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "sluice") && !strings.Contains(string(out), "devel") {
		t.Errorf("%v: %s", err, out)
	}
	// The binary checks the config that stands where the image's own would be.
	config := filepath.Join(root, configDir)
	if err := os.WriteFile(filepath.Join(config, "sluice.yaml"), []byte(`sluice: 1
listen: {http: ":8080"}
endpoints:
  hello: {route: GET /, static: {body: hello}}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	check := exec.Command(filepath.Join(root, binaryPath), "check")
	check.Dir = config
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestContent looks at what is in the image of each platform.
func TestContent(t *testing.T) {
	t.Parallel()
	m := setup(t)
	machines := map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64}
	if len(m.images) != len(machines) {
		t.Errorf("%d platforms; want %d", len(m.images), len(machines))
	}
	for platform, machine := range machines {
		image := m.images[platform]
		c, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if c.Config.User != userOfImage || c.OS+"/"+c.Architecture != platform || c.Config.Entrypoint[0] != "/sluice" || c.Config.WorkingDir != "/etc/sluice" {
			t.Errorf("%s: the config is %+v", platform, c)
		}
		root := unpack(t, image)
		binary, err := elf.Open(filepath.Join(root, binaryPath))
		if err != nil {
			t.Fatal(err)
		}
		defer binary.Close()
		if binary.Machine != machine {
			t.Errorf("%s: the binary is for %v", platform, binary.Machine)
		}
		if binary.Section(".interp") != nil || binary.Section(".dynamic") != nil {
			t.Errorf("%s: the binary is not static", platform)
		}
		pem, err := os.ReadFile(filepath.Join(root, bundlePath))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(pem, []byte("BEGIN")); n < 50 || !x509.NewCertPool().AppendCertsFromPEM(pem) {
			t.Errorf("%s: %d certificates", platform, n)
		}
		entries := entriesOf(t, image)
		if h := entries[dataDir]; h == nil || h.Uid != user || h.Mode != 0o750 {
			t.Errorf("%s: the folder of data is %+v", platform, h)
		}
		if h := entries[binaryPath]; h == nil || h.Uid != 0 || h.Mode != 0o755 {
			t.Errorf("%s: the user may change the binary: %+v", platform, h)
		}
	}
}

// TestReproducible makes the image again from a copy of the sources in another folder: not a byte may differ.
func TestReproducible(t *testing.T) {
	t.Parallel()
	first := setup(t)
	elsewhere := t.TempDir()
	copySources(t, source, elsewhere)
	second, err := build(t.Context(), defaults(elsewhere))
	if err != nil {
		t.Fatal(err)
	}
	a, b := digest(t, first.index), digest(t, second.index)
	if a != b {
		t.Errorf("two images of the same sources are %s and %s", a, b)
	}
	// What is written is the same too, to the last file.
	one, two := filepath.Join(t.TempDir(), "image"), filepath.Join(t.TempDir(), "image")
	for dir, m := range map[string]*made{one: first, two: second} {
		if err := m.write(dir); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("diff", "-r", one, two).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	written, err := layout.ImageIndexFromPath(filepath.Join(one, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(written); err != nil {
		t.Error(err)
	}
	loadable, err := tarball.ImageFromPath(filepath.Join(one, "sluice-linux-amd64.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(loadable); err != nil {
		t.Error(err)
	}
}

// TestDockerfile holds the Dockerfile to what is made here.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile(filepath.Join(source, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags " + tags + ` -ldflags "` + linkerFlags + `"`,
		"\nUSER " + userOfImage + "\n", "\nWORKDIR /" + configDir + "\n", "\nENTRYPOINT [\"/" + binaryPath + "\"]\nCMD [\"run\"]\n",
		"\nENV PATH=/ SSL_CERT_FILE=/" + bundlePath + "\n", "-m 0750 -o 65532 -g 65532 /out/image/" + dataDir, "-m 1777 /out/image/" + temporary,
	} {
		if !strings.Contains(string(content), want) {
			t.Errorf("the Dockerfile does not say %q", want)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-platforms", "linux"}, {"-source", t.TempDir(), "-platforms", "linux/amd64"},
	} {
		if err := run(t.Context(), append(args, "-out", filepath.Join(t.TempDir(), "image"))); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}

// unpack puts the files of an image into a folder.
func unpack(t *testing.T, image v1.Image) (root string) {
	t.Helper()
	root = t.TempDir()
	walk(t, image, func(h *tar.Header, content io.Reader) {
		path := filepath.Join(root, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
			return
		}
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, fs.FileMode(h.Mode))
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(f, content)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	})
	return root
}

func entriesOf(t *testing.T, image v1.Image) map[string]*tar.Header {
	t.Helper()
	all := map[string]*tar.Header{}
	walk(t, image, func(h *tar.Header, _ io.Reader) { all[h.Name] = h })
	return all
}

func walk(t *testing.T, image v1.Image, visit func(*tar.Header, io.Reader)) {
	t.Helper()
	content := mutate.Extract(image)
	defer content.Close()
	for r := tar.NewReader(content); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
		visit(h, r)
	}
}

func digest(t *testing.T, index v1.ImageIndex) string {
	t.Helper()
	d, err := index.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d.String()
}

// copySources copies what the binary is made of.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch name {
			case ".git", ".cache", "bin", "deploy", "test", "tools", "docs":
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		}
		if !d.Type().IsRegular() || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), content, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
