package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
)

// journal keeps the log lines of a node, for those who wait for one. Its methods may be called at once.
type journal struct {
	mu    sync.Mutex // guards what follows
	lines []string
	more  chan struct{} // closed, and made anew, at each line
	over  bool          // no more will come
}

func newJournal() *journal { return &journal{more: make(chan struct{})} }

// read takes lines until r ends.
func (j *journal) read(r io.Reader) {
	scanLines(r, func(line string) { j.add(line, false) })
	j.add("", true)
}

func (j *journal) add(line string, over bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.over = over; !over {
		j.lines = append(j.lines, line)
	}
	close(j.more)
	j.more = make(chan struct{})
}

// length is the number of lines so far, from where to wait for what comes next.
func (j *journal) length() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.lines)
}

// last is the text of the last n lines.
func (j *journal) last(n int) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Join(j.lines[max(0, len(j.lines)-n):], "\n")
}

// await waits for the first line with that text, from line number from on.
func (j *journal) await(ctx context.Context, from int, text string) (string, error) {
	for {
		line, more, err := j.find(&from, text)
		if line != "" || err != nil {
			return line, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (j *journal) find(from *int, text string) (line string, more chan struct{}, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for ; *from < len(j.lines); *from++ {
		if strings.Contains(j.lines[*from], text) {
			return j.lines[*from], nil, nil
		}
	}
	if j.over {
		return "", nil, errors.New("the process has ended")
	}
	return "", j.more, nil
}
