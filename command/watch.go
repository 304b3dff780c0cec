package command

import (
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must have been quiet before they are read: editors and tools write in several steps.
const settle = 200 * time.Millisecond

// changes tells when one of some files has changed.
type changes struct {
	watcher *fsnotify.Watcher
	signal  chan struct{}
	files   chan []string
	done    chan struct{}
}

// watch watches files through their folders, so that a file that is replaced, or swapped by a link as Kubernetes does
// with config maps, is seen too. stop ends it and waits; both are safe to use after an error.
func watch(files []string) (c *changes, stop func(), err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, func() {}, err
	}
	c = &changes{watcher: w, signal: make(chan struct{}, 1), files: make(chan []string), done: make(chan struct{})}
	c.add(files)
	go c.loop(files)
	return c, func() { w.Close(); <-c.done }, nil
}

// changed receives when files have changed and are quiet again.
func (c *changes) changed() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.signal
}

// update says which files to watch from now on.
func (c *changes) update(files []string) {
	if c == nil || files == nil {
		return
	}
	select {
	case c.files <- files:
	case <-c.done:
	}
}

func (c *changes) add(files []string) {
	for _, f := range files {
		// A folder that is gone is found when the config is read again.
		_ = c.watcher.Add(filepath.Dir(f))
	}
}

func (c *changes) loop(files []string) {
	defer close(c.done)
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	for {
		select {
		case files = <-c.files:
			c.add(files)
		case event, ok := <-c.watcher.Events:
			if !ok {
				return
			}
			if concerns(event.Name, files) {
				quiet.Reset(settle)
			}
		case _, ok := <-c.watcher.Errors:
			if !ok {
				return
			}
		case <-quiet.C:
			select {
			case c.signal <- struct{}{}:
			default:
			}
		}
	}
}

// concerns tells whether a change of name can have changed one of the files. "..data" is the link that Kubernetes
// swaps when a config map changes.
func concerns(name string, files []string) bool {
	for _, f := range files {
		if filepath.Clean(f) == filepath.Clean(name) {
			return true
		}
		if filepath.Base(name) == "..data" && filepath.Dir(f) == filepath.Dir(name) {
			return true
		}
	}
	return false
}
