package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The test binary is also the other process: SLUICE_TEST_DO says what it does, SLUICE_TEST_FILE to which file.
func TestMain(m *testing.M) {
	do := map[string]func(*DB) error{"migrate": migrateOnce, "insert": insertForever, "write": writeOnce}[os.Getenv("SLUICE_TEST_DO")]
	if do == nil {
		os.Exit(m.Run())
	}
	db, err := Open(os.Getenv("SLUICE_TEST_FILE"), Options{Readers: 1, BusyTimeout: 10 * time.Second})
	if err == nil {
		err = do(db)
	}
	if err == nil {
		err = db.Close()
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

func process(t *testing.T, do, path string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "SLUICE_TEST_DO="+do, "SLUICE_TEST_FILE="+path)
	return cmd
}

func migrateOnce(db *DB) error {
	files := migrations("001_create.sql", create)
	for i := range 5 {
		for n, f := range migrations(fmt.Sprintf("%03d_raise.sql", i+2), raise) {
			files[n] = f
		}
	}
	done, err := db.Migrations(files).Up(context.Background())
	fmt.Println(len(done))
	return err
}

func insertForever(db *DB) error {
	ctx := context.Background()
	s, err := db.Prepare("INSERT INTO users(id, email) VALUES (?1, ?1)")
	for i := int64(100); err == nil; i++ {
		err = db.Write(ctx, func(c *Conn) error {
			r, err := c.Rows(s)
			if err != nil {
				return err
			}
			r.BindInt(1, i)
			_, err = r.Exec()
			return err
		})
		fmt.Println(i)
	}
	return err
}

func writeOnce(db *DB) error {
	return db.Write(context.Background(), func(c *Conn) error { return c.exec("UPDATE users SET age = age + 1") })
}

// TestProcessesMigrate starts processes at once on one new file: each migration runs once, and none fails.
func TestProcessesMigrate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	var wait sync.WaitGroup
	outs := make([]string, 3)
	for i := range outs {
		wait.Go(func() {
			out, err := process(t, "migrate", path).CombinedOutput()
			if err != nil {
				t.Errorf("%v: %s", err, out)
			}
			outs[i] = strings.TrimSpace(string(out))
		})
	}
	wait.Wait()
	sum := 0
	for _, out := range outs {
		n, err := strconv.Atoi(out)
		must(t, err)
		sum += n
	}
	if sum != 6 {
		t.Errorf("%v were applied; want 6 in all", outs)
	}
	if n := count(t, open(t, path, Options{}), "SELECT n FROM m"); n != 5 {
		t.Errorf("n is %d; want 5", n)
	}
}

// TestProcessKilled kills a process that writes: what it was told is committed is there.
func TestProcessKilled(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{})
	cmd := process(t, "insert", db.Path())
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	last := ""
	for lines := bufio.NewScanner(out); lines.Scan(); {
		last = lines.Text()
		if last == "300" {
			must(t, cmd.Process.Kill())
		}
	}
	cmd.Wait()
	n, err := strconv.ParseInt(last, 10, 64)
	must(t, err)
	if got := count(t, db, "SELECT max(id) FROM users"); n < 300 || got < n || got > n+1 {
		t.Errorf("told %d, kept %d", n, got)
	}
	must(t, db.Write(t.Context(), func(c *Conn) error { return c.exec("UPDATE users SET age = 1") }))
}

// TestProcessWaits lets another process wait for the write lock, and get it.
func TestProcessWaits(t *testing.T) {
	t.Parallel()
	db := setup(t, Options{})
	free, running := hold(t, db)
	<-running
	cmd := process(t, "write", db.Path())
	must(t, cmd.Start())
	close(free)
	must(t, cmd.Wait())
	if n := count(t, db, "SELECT sum(age) FROM users"); n != 78 {
		t.Errorf("the sum is %d; want 78", n)
	}
}
