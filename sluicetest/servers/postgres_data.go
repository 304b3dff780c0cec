package servers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// installation is a PostgreSQL of the system's and the account that runs it.
type installation struct {
	bin     string
	version string
	account *account
}

func findPostgres() (*installation, error) {
	path, err := find("postgres")
	if err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil { // the other programs lie beside the real one
		return nil, err
	}
	i := &installation{bin: filepath.Dir(path)}
	if i.account, err = unprivileged(); err != nil {
		return nil, err
	}
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		return nil, fmt.Errorf("asking %s for its version: %w", path, err)
	}
	i.version = regexp.MustCompile(`\d+(\.\d+|\w+)?`).FindString(string(out))
	return i, nil
}

func (i *installation) run(dir, program string, args ...string) error {
	path := filepath.Join(i.bin, program)
	if _, err := os.Stat(path); err != nil {
		return &missingError{program, debian(program)}
	}
	return command{program: path, args: args, account: i.account, dir: dir, death: syscall.SIGKILL}.run()
}

// template is a data directory fresh from initdb, which takes a second; a copy takes a tenth. There is one a day for each
// version and account, so that what sweeps temporary folders by age never leaves half of one.
func (i *installation) template(in string) (string, error) {
	name := filepath.Join(in, fmt.Sprintf("sluice-template-%s-%d-", i.version, i.account.id()))
	path := name + time.Now().UTC().Format(time.DateOnly)
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return "", fmt.Errorf("locking %s: %w", lock.Name(), err)
	}
	if info, err := os.Stat(path); err == nil {
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != i.account.id() {
			return "", fmt.Errorf("%s belongs to somebody else", path)
		}
		return path, nil
	}
	forgetTemplates(name, path)
	dir, err := makeFolder(in, i.account)
	if err != nil {
		return "", err
	}
	defer dir.remove()
	if err := i.run(dir.path, "initdb", "-D", dir.join("data"), "-U", "postgres", "-A", "trust",
		"-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"); err != nil {
		return "", err
	}
	// Standbys can begin with a copy only when the control file says that the log suffices for them, and that the primary
	// had no more of anything than they have. A server that starts writes down what it is set to.
	if err := i.run(dir.path, "postgres", "--single", "-D", dir.join("data"), "-c", "wal_level=logical", "-c", "fsync=off",
		"-c", "superuser_reserved_connections=0", "-c", "max_connections=1", "-c", "max_worker_processes=0",
		"-c", "max_wal_senders=0", "postgres"); err != nil {
		return "", err
	}
	return path, os.Rename(dir.join("data"), path)
}

// forgetTemplates removes those of days past, but for yesterday's, which may still be copied.
func forgetTemplates(name, today string) {
	all, _ := filepath.Glob(name + "*")
	for _, path := range all {
		info, err := os.Stat(path)
		if err == nil && !strings.HasPrefix(path, today) && time.Since(info.ModTime()) > 48*time.Hour {
			os.RemoveAll(path)
		}
	}
}

// fresh makes the data directory of a new cluster.
func (i *installation) fresh(data string) error {
	template, err := i.template(filepath.Dir(filepath.Dir(data)))
	if err != nil {
		return err
	}
	if err := i.copy(template, data); err != nil {
		return err
	}
	return identify(data, rand.Uint64()>>1|1)
}

func (i *installation) copy(from, to string) error {
	return command{program: "cp", args: []string{"-a", from, to}, account: i.account, dir: filepath.Dir(to), death: syscall.SIGKILL}.run()
}

// identify gives a cluster that is down an identifier of its own, which stands in the control file and at the head of
// each file of the log.
func identify(data string, id uint64) error {
	control := filepath.Join(data, "global", "pg_control")
	text, err := os.ReadFile(control)
	if err != nil {
		return err
	}
	if err := identifyControl(text, id); err != nil {
		return fmt.Errorf("%s: %w", control, err)
	}
	logs, err := filepath.Glob(filepath.Join(data, "pg_wal", strings.Repeat("[0-9A-F]", 24)))
	if err != nil {
		return err
	}
	const atSystem = 24 // xlp_sysid in XLogLongPageHeaderData (src/include/access/xlog_internal.h)
	for _, log := range logs {
		if err := overwrite(log, atSystem, binary.NativeEndian.AppendUint64(nil, id)); err != nil {
			return err
		}
	}
	return overwrite(control, 0, text)
}

// identifyControl changes the text of a control file, which begins with the identifier and ends with a checksum over what
// stands before (src/include/catalog/pg_control.h). Where it ends differs among versions, so the checksum is looked for.
func identifyControl(text []byte, id uint64) error {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	for n := 8; n+4 <= len(text); n += 4 {
		if crc32.Checksum(text[:n], castagnoli) == binary.NativeEndian.Uint32(text[n:]) {
			binary.NativeEndian.PutUint64(text, id)
			binary.NativeEndian.PutUint32(text[n:], crc32.Checksum(text[:n], castagnoli))
			return nil
		}
	}
	return errors.New("there is no checksum that fits")
}

func overwrite(path string, at int64, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text, at)
	return errors.Join(err, f.Close())
}

// pidFile reads a line of postmaster.pid, counted from zero (src/include/utils/pidfile.h).
func pidFile(data string, line int) (string, error) {
	text, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return "", err
	}
	lines := bytes.Split(text, []byte("\n"))
	if line >= len(lines) {
		return "", fmt.Errorf("postmaster.pid has no line %d", line)
	}
	return string(bytes.TrimSpace(lines[line])), nil
}

// postmaster is the process that serves a data directory, or did when it was killed.
func postmaster(data string) (int, error) {
	pid, err := pidFile(data, 0)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(pid)
}

// forget removes the shared memory that a PostgreSQL which was killed has left. It is a few bytes, but there is room for
// some thousands only, on the whole system.
func forget(data string) {
	line, err := pidFile(data, 6)
	if err != nil {
		return
	}
	if _, id, ok := strings.Cut(line, " "); ok {
		if n, err := strconv.Atoi(strings.TrimSpace(id)); err == nil {
			syscall.Syscall(syscall.SYS_SHMCTL, uintptr(n), 0 /* IPC_RMID */, 0)
		}
	}
}
