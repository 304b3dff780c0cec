package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"io"
	"io/fs"
	"path"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// file is an entry of a layer; one whose mode has fs.ModeDir is a folder.
type file struct {
	path    string
	mode    fs.FileMode
	owner   int
	content []byte
}

// layerOf packs files, and the folders above them.
func layerOf(files ...file) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	done := map[string]bool{".": true}
	var folder func(string) error
	folder = func(name string) error {
		if done[name] {
			return nil
		}
		done[name] = true
		if err := folder(path.Dir(name)); err != nil {
			return err
		}
		return w.WriteHeader(header(file{path: name, mode: fs.ModeDir | 0o755}))
	}
	for _, f := range files {
		if err := folder(path.Dir(f.path)); err != nil {
			return nil, err
		}
		if err := w.WriteHeader(header(f)); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
}

func header(f file) *tar.Header {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.path, Mode: int64(f.mode.Perm()), Uid: f.owner, Gid: f.owner,
		Size: int64(len(f.content)), ModTime: epoch, Format: tar.FormatPAX}
	if f.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	if f.mode.IsDir() {
		h.Typeflag, h.Name = tar.TypeDir, f.path+"/"
	}
	return h
}

// bundleLayer holds the certificates of the authorities that Mozilla trusts for servers, as golang.org/x/crypto has them.
// Those that it trusts within limits which PEM cannot say are left out.
func bundleLayer() (v1.Layer, error) {
	var b bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			return nil, err
		}
	}
	return layerOf(file{path: bundlePath, mode: 0o644, content: b.Bytes()})
}

// foldersLayer holds the folder of the config, that of data, which is the user's, and one for temporary files.
func foldersLayer() (v1.Layer, error) {
	return layerOf(
		file{path: configDir, mode: fs.ModeDir | 0o755},
		file{path: dataDir, mode: fs.ModeDir | 0o750, owner: user},
		file{path: temporary, mode: fs.ModeDir | fs.ModeSticky | 0o777},
	)
}
