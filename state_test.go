package sluice_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/sluiceapi/sluice"
)

func TestBucketCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		count int64
		per   time.Duration
		size  int64
		want  string
	}{
		{1, time.Second, 1, ""},
		{1 << 40, time.Microsecond, 1 << 60, ""},
		{1, 100 * 365 * 24 * time.Hour, 1, ""},
		{1, time.Second, 0, "holds nothing"},
		{1, time.Second, -1, "holds nothing"},
		{0, time.Second, 1, "cannot be counted"},
		{1<<40 + 1, time.Second, 1, "cannot be counted"},
		{1, time.Microsecond - 1, 1, "cannot be counted"},
		{1, 100 * 365 * 24 * time.Hour, 2, "100 years"},
		{1, math.MaxInt64, math.MaxInt64, "100 years"},
	} {
		err := sluice.Bucket{Rate: sluice.Rate{Count: c.count, Per: c.per}, Size: c.size}.Check()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d in %s, %d at most: error %v, want %q", c.count, c.per, c.size, err, c.want)
		}
	}
}
