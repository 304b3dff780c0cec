package server

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// TLS says where to listen with TLS, and as whom. Cipher suites and curves are those of crypto/tls, which are kept
// up to date there.
type TLS struct {
	// Address is host and port.
	Address string
	// Certificates are tried in their order: the first that fits the name that the client asks for is used, else
	// the first.
	Certificates []Certificate
	// ClientCA is a PEM file with the authorities whose clients are let in; empty asks no client for a certificate.
	ClientCA string
	// MinVersion is "1.2" or "1.3".
	MinVersion string
}

// Certificate names the PEM files of a certificate chain and its key.
type Certificate struct{ Cert, Key string }

func (t *TLS) check() error {
	if len(t.Certificates) == 0 {
		return errors.New("server: https needs at least one certificate")
	}
	_, err := t.version()
	return err
}

// Check tells whether the certificates and authorities can be read as they are now.
func (t *TLS) Check() error {
	if err := t.check(); err != nil {
		return err
	}
	_, _, err := t.load()
	return err
}

func (t *TLS) version() (uint16, error) {
	switch t.MinVersion {
	case "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("server: unknown lowest version of TLS %q; want 1.2 or 1.3", t.MinVersion)
}

func (t *TLS) equal(other *TLS) bool {
	if t == nil || other == nil {
		return t == other
	}
	return t.Address == other.Address && t.ClientCA == other.ClientCA && t.MinVersion == other.MinVersion &&
		slices.Equal(t.Certificates, other.Certificates)
}

// files are all files that the config is made of.
func (t *TLS) files() []string {
	var files []string
	for _, c := range t.Certificates {
		files = append(files, c.Cert, c.Key)
	}
	if t.ClientCA != "" {
		files = append(files, t.ClientCA)
	}
	return files
}

// load makes the config of crypto/tls from the files as they are now; sum is the same for the same content.
func (t *TLS) load() (config *tls.Config, sum [sha256.Size]byte, err error) {
	digest, content := sha256.New(), map[string][]byte{}
	for _, name := range t.files() {
		if content[name], err = os.ReadFile(name); err != nil {
			return nil, sum, err
		}
		part := sha256.Sum256(content[name])
		digest.Write(part[:])
	}
	config = &tls.Config{NextProtos: []string{"h2", "http/1.1"}}
	if config.MinVersion, err = t.version(); err != nil {
		return nil, sum, err
	}
	for _, c := range t.Certificates {
		pair, err := tls.X509KeyPair(content[c.Cert], content[c.Key])
		if err != nil {
			return nil, sum, fmt.Errorf("certificate %s with key %s: %w", c.Cert, c.Key, err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	if t.ClientCA != "" {
		config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.RequireAndVerifyClientCert
		if !config.ClientCAs.AppendCertsFromPEM(content[t.ClientCA]) {
			return nil, sum, fmt.Errorf("client_ca %s: no certificate in it", t.ClientCA)
		}
	}
	digest.Sum(sum[:0])
	return config, sum, nil
}

// certificates keep the config of crypto/tls up to date with its files.
type certificates struct {
	spec    TLS
	log     *slog.Logger
	sum     [sha256.Size]byte // of current; used by the goroutine of watch alone
	told    string            // the last error, which is told once; likewise
	current atomic.Pointer[tls.Config]
	stop    chan struct{}
	once    sync.Once
	done    sync.WaitGroup
}

// openCertificates reads the files and follows them until close.
func openCertificates(spec TLS, log *slog.Logger) (*certificates, error) {
	c := &certificates{spec: spec, log: log, stop: make(chan struct{})}
	config, sum, err := spec.load()
	if err != nil {
		return nil, err
	}
	c.current.Store(config)
	c.sum = sum
	c.done.Go(c.watch)
	return c, nil
}

// config is for a listener; every handshake takes what the files held last.
func (c *certificates) config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current.Load(), nil },
	}
}

// close stops following the files and waits for that.
func (c *certificates) close() {
	c.once.Do(func() { close(c.stop) })
	c.done.Wait()
}

// settle is how long the files must be quiet before they are read: a certificate and its key are two writes.
// look is how often they are read where no notice of changes comes, as on some network file systems.
const (
	settle = 100 * time.Millisecond
	look   = time.Minute
)

func (c *certificates) watch() {
	var events chan fsnotify.Event
	if w := c.watcher(); w != nil {
		defer w.Close()
		events = w.Events
	}
	ticker := time.NewTicker(look)
	defer ticker.Stop()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-c.stop:
			return
		case _, ok := <-events:
			if !ok {
				events = nil
			}
			quiet.Reset(settle)
		case <-ticker.C:
			c.reload()
		case <-quiet.C:
			c.reload()
		}
	}
}

// watcher watches the directories of the files, because files are often replaced and not written; nil when the
// system has no notices to give.
func (c *certificates) watcher() *fsnotify.Watcher {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		c.log.Warn("changed certificates are found by looking at times only", "error", err)
		return nil
	}
	for _, file := range c.spec.files() {
		if err := w.Add(filepath.Dir(file)); err != nil {
			c.log.Warn("changed certificates are found by looking at times only", "file", file, "error", err)
		}
	}
	return w
}

// reload takes over what the files hold now. What cannot be used is logged, and the last good one stays.
func (c *certificates) reload() {
	config, sum, err := c.spec.load()
	switch {
	case err != nil && err.Error() == c.told:
	case err != nil:
		c.told = err.Error()
		c.log.Error("changed certificates cannot be used; those before stay", "error", err)
	case sum != c.sum:
		c.told = ""
		c.current.Store(config)
		c.sum = sum
		c.log.Info("certificates were changed", "address", c.spec.Address)
	}
}
