package pemfile

import (
	"crypto/sha256"
	"encoding/binary"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// every is how often files are looked at. Looking is a call of the system for each file, which works on every
	// file system and through links, where notices of changes do not come or are few.
	every = time.Second
	// anyway is after how many looks files are read though they look unchanged: what was written twice within one tick
	// of a file system's clock looks as it did.
	anyway = 60
)

// Follower follows files until it is closed.
type Follower struct {
	files []string
	log   *slog.Logger
	take  func(Content) error

	stop chan struct{}
	once sync.Once
	done sync.WaitGroup

	// What follows is used by one goroutine at a time: Follow, then run.
	sum   [sha256.Size]byte // of what was taken last
	told  string            // the last error, which is told once
	seen  state             // when last looked at
	read  state             // when last read
	looks int
}

// Follow reads the files and gives take what they hold, then again, by another goroutine, whenever that has changed,
// until Close. What goes wrong the first time is Follow's error. Later it is logged, once, and what was taken before
// stays in use: take changes nothing when it returns an error.
func Follow(log *slog.Logger, files []string, take func(Content) error) (*Follower, error) {
	f := &Follower{log: log, take: take, stop: make(chan struct{})}
	for _, name := range files {
		if name != "" && !slices.Contains(f.files, name) {
			f.files = append(f.files, name)
		}
	}
	f.seen = stateOf(f.files)
	f.read = f.seen
	content, err := Read(f.files...)
	if err != nil {
		return nil, err
	}
	if err := take(content); err != nil {
		return nil, err
	}
	f.sum = f.sumOf(content)
	f.done.Go(f.run)
	return f, nil
}

// Close stops following and waits until take no longer runs. It may be called more than once.
func (f *Follower) Close() {
	f.once.Do(func() { close(f.stop) })
	f.done.Wait()
}

func (f *Follower) run() {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-ticker.C:
			f.look()
		}
	}
}

// look reads the files when they have changed and have been quiet since the look before: a certificate and its key are
// two writes.
func (f *Follower) look() {
	now := stateOf(f.files)
	quiet := now.equal(f.seen)
	f.seen = now
	if f.looks++; !quiet || now.equal(f.read) && f.looks%anyway != 0 {
		return
	}
	f.read = now
	content, err := Read(f.files...)
	var sum [sha256.Size]byte
	if err == nil {
		if sum = f.sumOf(content); sum == f.sum {
			f.told = ""
			return
		}
		err = f.take(content)
	}
	if err != nil {
		if err.Error() != f.told {
			f.told = err.Error()
			f.log.Error("changed files cannot be used; what they held before stays in use", "files", f.files, "error", err)
		}
		return
	}
	f.sum, f.told = sum, ""
	f.log.Info("changed files were read again", "files", f.files)
}

func (f *Follower) sumOf(content Content) (sum [sha256.Size]byte) {
	digest := sha256.New()
	for _, name := range f.files {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(content[name])))
		digest.Write(size[:])
		digest.Write(content[name])
	}
	digest.Sum(sum[:0])
	return sum
}

// state is what the system says of files; nil stands for one that is not there.
type state []os.FileInfo

// stateOf follows links, so that a link which is swapped is seen, as Kubernetes does with secrets.
func stateOf(files []string) state {
	s := make(state, len(files))
	for i, name := range files {
		if info, err := os.Stat(name); err == nil { // what is not there is told when it is read
			s[i] = info
		}
	}
	return s
}

func (s state) equal(other state) bool {
	return slices.EqualFunc(s, other, func(a, b os.FileInfo) bool {
		if a == nil || b == nil {
			return a == b
		}
		return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
	})
}
