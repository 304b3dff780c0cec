package cluster

import (
	"testing"
	"time"
)

func TestLSN(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]LSN{"0/0": 0, "16/B374D848": 0x16B374D848, "FFFFFFFF/FFFFFFFF": 1<<64 - 1} {
		got, err := ParseLSN(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "/", "0/", "/0", "x/0", "0/x", "100000000/0", "0/100000000", "-1/0", "1/2/3"} {
		if got, err := ParseLSN(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func FuzzLSN(f *testing.F) {
	f.Add("16/B374D848")
	f.Add("0/0")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := ParseLSN(text)
		if err != nil {
			return
		}
		if again, err := ParseLSN(l.String()); err != nil || again != l {
			t.Errorf("%q is %v, which is read as %v, %v", text, l, again, err)
		}
	})
}

func TestSamples(t *testing.T) {
	t.Parallel()
	start := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	var s samples
	if _, known := s.replayed(5); known {
		t.Error("known without a sample")
	}
	s.add(at(0), 100)
	s.add(at(1), 200)
	s.add(at(2), 200) // idle
	s.add(at(3), 300)
	s.add(at(4), 250) // late: of no use
	for _, tt := range []struct {
		lsn   LSN
		want  int
		known bool
	}{{99, 0, false}, {100, 0, true}, {199, 0, true}, {200, 2, true}, {299, 2, true}, {300, 3, true}, {900, 3, true}} {
		got, known := s.replayed(tt.lsn)
		if known != tt.known || known && !got.Equal(at(tt.want)) {
			t.Errorf("%d: got %v, %v; want %d s", tt.lsn, got.Sub(start), known, tt.want)
		}
	}
	s.reset()
	for i := range 10000 {
		s.add(at(i), LSN(i))
	}
	if len(s.list) > most {
		t.Errorf("%d samples are kept", len(s.list))
	}
	for i := range 10000 {
		// Coarser is right; newer than true is not.
		if got, known := s.replayed(LSN(i)); known && got.After(at(i)) {
			t.Fatalf("at %d all of %v is said to be there", i, got.Sub(start))
		}
	}
	if got, _ := s.replayed(9990); at(9990).Sub(got) > time.Second {
		t.Error("what is new was thinned out")
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	var h history
	if h.kept(1, 5) {
		t.Error("kept, though nothing is known")
	}
	h = h.grown(1, 100).grown(2, 200)
	for _, tt := range []struct {
		timeline uint32
		lsn      LSN
		want     bool
	}{{1, 100, true}, {1, 101, false}, {2, 200, true}, {2, 201, false}, {7, 1, false}} {
		if got := h.kept(tt.timeline, tt.lsn); got != tt.want {
			t.Errorf("%d on %d: got %v", tt.lsn, tt.timeline, got)
		}
	}
	h = h.grown(1, 90) // a server that never followed timeline 2 took over
	if h.kept(2, 150) || h.kept(1, 95) || !h.kept(1, 90) {
		t.Errorf("what branched off is kept: %v", h)
	}
}
