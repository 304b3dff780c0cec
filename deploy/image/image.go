package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// recipe is what an image is made of.
type recipe struct {
	source    string
	platforms []string // such as linux/amd64
	version   string
}

// made is an image for several platforms.
type made struct {
	index  v1.ImageIndex
	images map[string]v1.Image // by platform
}

// Where things are in the image.
const (
	binaryPath  = "sluice"
	bundlePath  = "etc/ssl/certs/ca-certificates.crt"
	configDir   = "etc/sluice"
	dataDir     = "var/lib/sluice"
	temporary   = "tmp"
	user        = 65532 // that of distroless images; no name stands for it, as there is no passwd
	userOfImage = "65532:65532"
)

// epoch is the time of everything in the image, so that its bytes do not tell when it was made.
var epoch = time.Unix(0, 0).UTC()

// build compiles Sluice for each platform and puts the binaries into images.
func build(ctx context.Context, r recipe) (*made, error) {
	certificates, err := bundleLayer()
	if err != nil {
		return nil, err
	}
	folders, err := foldersLayer()
	if err != nil {
		return nil, err
	}
	m := &made{images: map[string]v1.Image{}}
	var manifests []mutate.IndexAddendum
	for _, text := range r.platforms {
		platform, err := v1.ParsePlatform(strings.TrimSpace(text))
		if err != nil || platform.OS == "" || platform.Architecture == "" {
			return nil, fmt.Errorf("platform %q; want one such as linux/amd64", text)
		}
		content, err := compile(ctx, r.source, platform)
		if err != nil {
			return nil, err
		}
		binary, err := layerOf(file{path: binaryPath, mode: 0o755, content: content})
		if err != nil {
			return nil, err
		}
		image, err := assemble(r.version, platform, certificates, folders, binary)
		if err != nil {
			return nil, err
		}
		m.images[platform.String()] = image
		manifests = append(manifests, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	m.index = mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), manifests...)
	return m, nil
}

// Flags of the compiler. Time zones are in the binary, as the image has no files of them.
const (
	tags        = "timetzdata"
	linkerFlags = "-s -w -buildid="
)

// compile makes the static binary. Nothing of this machine or of the moment is in it.
func compile(ctx context.Context, source string, p *v1.Platform) ([]byte, error) {
	dir, err := os.MkdirTemp("", "sluice-image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "sluice")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", tags,
		"-ldflags", linkerFlags, "-o", path, "./cmd/sluice")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.OS, "GOARCH="+p.Architecture, "GOFLAGS=", "GOWORK=off")
	if p.Architecture == "amd64" {
		build.Env = append(build.Env, "GOAMD64=v1")
	}
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile for %s: %w\n%s", p, err, out)
	}
	return os.ReadFile(path)
}

func assemble(version string, p *v1.Platform, layers ...v1.Layer) (v1.Image, error) {
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err := mutate.AppendLayers(base, layers...)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(image, &v1.ConfigFile{
		OS: p.OS, Architecture: p.Architecture, Variant: p.Variant, Created: v1.Time{Time: epoch},
		RootFS: rootFS(image),
		Config: v1.Config{
			User:       userOfImage,
			WorkingDir: "/" + configDir,
			Entrypoint: []string{"/" + binaryPath},
			Cmd:        []string{"run"},
			Env:        []string{"PATH=/", "SSL_CERT_FILE=/" + bundlePath},
			StopSignal: "SIGTERM",
			Labels: map[string]string{
				"org.opencontainers.image.title":    "sluice",
				"org.opencontainers.image.version":  version,
				"org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
	})
}

// rootFS is the list of layers that AppendLayers has made.
func rootFS(image v1.Image) v1.RootFS {
	c, err := image.ConfigFile()
	if err != nil {
		return v1.RootFS{} // an image in memory always has one
	}
	return c.RootFS
}

// write makes the folder dir anew: the OCI layout of all platforms in oci/, and a file for `docker load` of each.
func (m *made) write(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	oci := filepath.Join(dir, "oci")
	if _, err := layout.Write(oci, m.index); err != nil {
		return fmt.Errorf("write the layout %s: %w", oci, err)
	}
	tag, err := name.NewTag("sluice:latest", name.WithDefaultRegistry(""))
	if err != nil {
		return err
	}
	for platform, image := range m.images {
		path := filepath.Join(dir, "sluice-"+strings.ReplaceAll(platform, "/", "-")+".tar")
		if err := tarball.WriteToFile(path, tag, image); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}
