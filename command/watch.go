package command

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must have been quiet before they are read: editors and tools write in several steps.
const settle = 200 * time.Millisecond

// changes tells when one of some files has changed.
type changes struct {
	watcher *fsnotify.Watcher
	signal  chan struct{}
	read    chan reading
	done    chan struct{}
	names   map[string]bool // once loop runs, its own
}

// reading is a reading of files, and their state before it.
type reading struct {
	files []string
	state string
}

// watch watches files: their folders, those of the links on the way to them, and those that the links lead to. So a
// file that is replaced is seen, and a link that is swapped, as Kubernetes does with config maps and people do with
// releases. stop ends it and waits; both are safe to use after an error.
func watch(files []string) (c *changes, stop func(), err error) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, func() {}, err
	}
	c = &changes{watcher: w, signal: make(chan struct{}, 1), read: make(chan reading), done: make(chan struct{})}
	c.add(files)
	go c.loop(reading{files, stateOf(files)})
	return c, func() { w.Close(); <-c.done }, nil
}

// changed receives when files have changed and are quiet again.
func (c *changes) changed() <-chan struct{} {
	if c == nil {
		return nil
	}
	return c.signal
}

// update says that files were read, from what state on, and so which to watch from now on.
func (c *changes) update(r reading) {
	if c == nil {
		return
	}
	select {
	case c.read <- r:
	case <-c.done:
	}
}

// add watches what is on the way to files, and remembers which names count there: other files may stand beside them,
// such as a database that is written all the time.
func (c *changes) add(files []string) {
	c.names = map[string]bool{}
	for _, f := range files {
		for _, name := range way(f) {
			c.names[name] = true
			// A folder that is gone is found when the config is read again.
			_ = c.watcher.Add(filepath.Dir(name))
		}
	}
}

// loop signals when the state of the files is another than it was when they were last read.
func (c *changes) loop(last reading) {
	defer close(c.done)
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	for {
		select {
		case next := <-c.read:
			c.add(next.files)
			if !slices.Equal(next.files, last.files) {
				next.state = stateOf(next.files)
			}
			last = next
		case event, ok := <-c.watcher.Events:
			if !ok {
				return
			}
			if !c.names[filepath.Clean(event.Name)] {
				continue
			}
		case _, ok := <-c.watcher.Errors:
			if !ok {
				return
			}
		case <-quiet.C:
			last.state = stateOf(last.files)
			c.add(last.files)
			select {
			case c.signal <- struct{}{}:
			default:
			}
		}
		if stateOf(last.files) != last.state {
			quiet.Reset(settle)
		}
	}
}

// stateOf is a text that is another when a file has changed, was replaced, or is gone.
func stateOf(files []string) string {
	var b strings.Builder
	for _, f := range files {
		real, err := filepath.EvalSymlinks(f)
		if err != nil {
			fmt.Fprintf(&b, "%q is not there\n", f)
			continue
		}
		if info, err := os.Stat(real); err == nil {
			fmt.Fprintf(&b, "%q %d %d\n", real, info.Size(), info.ModTime().UnixNano())
		}
	}
	return b.String()
}

// way is what can be changed to make another file of a path: the file itself, the links on the way to it, and what
// they lead to.
func way(path string) []string {
	const most = 40 // links, as Linux follows
	path, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	names := []string{path}
	for range most {
		link, rest := firstLink(path)
		if link == "" {
			break
		}
		target, err := os.Readlink(link)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(link), target)
		}
		path = filepath.Join(target, rest)
		names = append(names, link, path)
	}
	return names
}

// firstLink is the first part of a path that is a link, and what comes after it.
func firstLink(path string) (link, rest string) {
	for i := 1; i <= len(path); i++ {
		if i < len(path) && path[i] != filepath.Separator {
			continue
		}
		if info, err := os.Lstat(path[:i]); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return path[:i], strings.TrimPrefix(path[i:], string(filepath.Separator))
		}
	}
	return "", ""
}
