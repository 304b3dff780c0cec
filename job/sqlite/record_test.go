package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	lite "github.com/sluiceapi/sluice/backend/sql/sqlite"
	"github.com/sluiceapi/sluice/job"
	"github.com/sluiceapi/sluice/job/sqlite"
	"github.com/sluiceapi/sluice/sluicetest"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	sluicetest.Record(t, func(t *testing.T) job.Record {
		r, err := sqlite.Open(t.Context(), filepath.Join(tempOf(t), "jobs.db"), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		})
		return r
	})
}

var temps = sluicetest.PerTest(func(t *testing.T) string { return t.TempDir() })

// tempOf is one folder for each test, however often it is asked for.
func tempOf(t *testing.T) string { return temps(t) }

func TestOpenSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	if _, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "none", "jobs.db"), time.Now); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

// A process that starts does not wait for one that holds the writer's lock, and may stand still.
func TestOpenWhileLocked(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "jobs.db")
	first, err := sqlite.Open(t.Context(), path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	db, err := lite.Open(path, lite.Options{Readers: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.Write(t.Context(), func(*lite.Conn) error {
		second, err := sqlite.Open(t.Context(), path, time.Now)
		if err != nil {
			return err
		}
		return second.Close()
	})
	if err != nil {
		t.Error(err)
	}
}
