package servers

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// prefix begins the names of all that this package puts into the temporary folder.
const prefix = "sluice-test-"

// held is the file in a folder that its process holds locked, so that others see whether it still lives.
const held = "held"

// account is whom a server runs as; nil is whoever runs the test.
type account struct{ uid, gid int }

// unprivileged is an account for servers that refuse root; nil where the process is not root.
func unprivileged() (*account, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.Atoi(u.Uid)
		if err != nil {
			continue
		}
		gid, err := strconv.Atoi(u.Gid)
		if err != nil {
			continue
		}
		return &account{uid, gid}, nil
	}
	return nil, errors.New("there is no account to run PostgreSQL as, which refuses root; want postgres or nobody")
}

func (a *account) id() int {
	if a == nil {
		return os.Geteuid()
	}
	return a.uid
}

func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

// disk is the folder for all folders. The path of a Unix socket has at most 107 bytes, so a long one is passed over.
func disk() string {
	if dir := os.TempDir(); len(dir) <= 40 {
		return dir
	}
	return "/tmp"
}

// memory is a folder for what need not reach a disk: to make the thousand files of a PostgreSQL there takes a tenth of
// the time. Where memory has less room than some dozens of servers want, it is the disk.
func memory() string {
	const shm, room = "/dev/shm", 4 << 30
	var s syscall.Statfs_t
	if err := syscall.Statfs(shm, &s); err != nil || s.Bavail*uint64(s.Bsize) < room {
		return disk()
	}
	return shm
}

// folder is one server's place for its files.
type folder struct {
	path string
	hold *os.File
}

// makeFolder makes a folder in another, which an account owns; nobody else looks into it.
func makeFolder(in string, a *account) (*folder, error) {
	sweep(in)
	path, err := os.MkdirTemp(in, prefix)
	if err != nil {
		return nil, err
	}
	f := &folder{path: path}
	if f.hold, err = os.OpenFile(filepath.Join(path, held+".new"), os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		err = errors.Join(syscall.Flock(int(f.hold.Fd()), syscall.LOCK_EX|syscall.LOCK_NB),
			os.Rename(f.hold.Name(), filepath.Join(path, held)), a.own(path))
	}
	if err != nil {
		f.remove()
		return nil, fmt.Errorf("making a folder: %w", err)
	}
	return f, nil
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

// remove deletes the folder, and the shared memory of a PostgreSQL that was killed in it.
func (f *folder) remove() error {
	forget(f.join("data"))
	err := os.RemoveAll(f.path)
	if f.hold != nil {
		f.hold.Close()
	}
	return err
}

// sweep deletes folders whose process was killed.
func sweep(in string) {
	paths, _ := filepath.Glob(filepath.Join(in, prefix+"*")) // the pattern is ours
	for _, path := range paths {
		hold, err := os.OpenFile(filepath.Join(path, held), os.O_WRONLY, 0)
		if err != nil {
			continue // not ours, or not yet held
		}
		f := &folder{path: path, hold: hold}
		if syscall.Flock(int(hold.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil || servesIn(path) {
			hold.Close()
			continue
		}
		f.remove() // what cannot be removed is tried again by the next
	}
}

// servesIn tells whether a server of a process that was killed has not ended yet.
func servesIn(path string) bool {
	pid, err := postmaster(filepath.Join(path, "data"))
	return err == nil && alive(pid)
}

// poll asks again and again until ready says true, or an error, or until patience is over.
func poll(patience time.Duration, ready func() (bool, error)) error {
	deadline := time.Now().Add(patience)
	for wait := time.Millisecond; ; wait = min(2*wait, 20*time.Millisecond) {
		ok, err := ready()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %v", patience)
		}
		<-time.After(wait)
	}
}
