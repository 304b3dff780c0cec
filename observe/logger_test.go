package observe_test

import (
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"testing"

	"github.com/sluiceapi/sluice/observe"
	"github.com/sluiceapi/sluice/sluicetest/output"
)

func TestTextLogger(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		log  func(*slog.Logger)
		want string
	}{
		{"plain", func(l *slog.Logger) { l.Info("listening", "address", ":8080", "tls", false) }, "INFO  listening address=:8080 tls=false\n"},
		{"no attributes", func(l *slog.Logger) { l.Warn("stopping") }, "WARN  stopping\n"},
		{"error", func(l *slog.Logger) { l.Error("opening", "error", errors.New("no such file")) }, "ERROR opening error=\"no such file\"\n"},
		{"with", func(l *slog.Logger) { l.With("backend", "shop").WithGroup("pool").Info("open", "size", 3) }, "INFO  open backend=shop pool.size=3\n"},
		{"names of slog's own", func(l *slog.Logger) { l.Info("m", "msg", "x", "level", 3, "time", "now") }, "INFO  m msg=x level=3 time=now\n"},
		{"below the level", func(l *slog.Logger) { l.Debug("chatter") }, ""},
		{"hostile", func(l *slog.Logger) { l.Info("a\x1b[2J\nb", "k\n", "\x1b[0m\n") }, `INFO  a\x1b[2J\nb "k\n"="\x1b[0m\n"` + "\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var w output.Text
			c.log(observe.NewLogger(&w, observe.Text, slog.LevelInfo))
			got := w.String()
			if c.want != "" {
				clock := regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d\d\d `)
				if !clock.MatchString(got) {
					t.Errorf("%q does not start with a time", got)
				}
				got = clock.ReplaceAllString(got, "")
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func TestJSONLogger(t *testing.T) {
	t.Parallel()
	var w output.Text
	var level slog.LevelVar
	l := observe.NewLogger(&w, observe.JSON, &level)
	l.Debug("not seen")
	level.Set(slog.LevelDebug)
	l.Debug("seen", "path", "/a\n\x1b")
	var line map[string]any
	if err := json.Unmarshal([]byte(w.String()), &line); err != nil || line["msg"] != "seen" || line["path"] != "/a\n\x1b" {
		t.Errorf("%v: %s", err, w.String())
	}
}
