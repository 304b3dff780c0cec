package memory_test

import (
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/sluicetest"
	"github.com/sluiceapi/sluice/state/memory"
)

func TestSuite(t *testing.T) {
	t.Parallel()
	sluicetest.State(t, func(*testing.T) sluice.State { return memory.New(time.Now) })
}
