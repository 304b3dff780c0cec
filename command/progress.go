package command

import (
	"log/slog"
	"sync"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far long tasks at start have come: as a bar to people, else in the log of those who debug.
func (t *tool) progress(log *slog.Logger) func(task string, done, total int64) {
	if !t.terminal {
		return func(task string, done, total int64) {
			log.Debug("progress", "task", task, "done", done, "total", total)
		}
	}
	var mu sync.Mutex
	bars := map[string]*progressbar.ProgressBar{}
	return func(task string, done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		bar := bars[task]
		if bar == nil {
			bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(t.err), progressbar.OptionSetDescription(task),
				progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish())
			bars[task] = bar
		}
		_ = bar.Set64(done) // a bar that cannot be drawn harms nothing
	}
}
