package observe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Format is how log lines are written.
type Format string

// The formats: JSON for machines, Text for people at a terminal.
const (
	JSON Format = "json"
	Text Format = "text"
)

// NewLogger makes a logger that writes whole lines to w. A level that is a *slog.LevelVar may be changed later.
func NewLogger(w io.Writer, format Format, level slog.Leveler) *slog.Logger {
	if format != Text {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: durationText}))
	}
	h := &textHandler{lines: &textLines{w: w}}
	h.attrs = slog.NewTextHandler(&h.lines.buf, &slog.HandlerOptions{Level: level, ReplaceAttr: dropMarked})
	return slog.New(h)
}

// durationText writes durations with their unit, as people write them in a config.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().Round(time.Microsecond).String())
	}
	return a
}

// clockLayout is the time of a line for people, who know what day it is.
const clockLayout = "15:04:05.000"

// textHandler writes "15:04:05.000 INFO  message key=value": the start of the line itself, the attributes with
// slog's own handler.
type textHandler struct {
	lines *textLines
	attrs slog.Handler
}

// textLines is what a textHandler shares with those derived from it.
type textLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
	w   io.Writer
}

// dropped marks the level of a record whose level and message are written already.
const dropped = slog.Level(math.MinInt32)

func dropMarked(groups []string, a slog.Attr) slog.Attr {
	a = durationText(groups, a)
	if len(groups) > 0 {
		return a
	}
	if level, ok := a.Value.Any().(slog.Level); ok && level == dropped {
		return slog.Attr{}
	}
	if a.Key == slog.MessageKey && a.Value.Kind() == slog.KindString && a.Value.String() == "" {
		return slog.Attr{}
	}
	return a
}

func (h *textHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.attrs.Enabled(ctx, level)
}

func (h *textHandler) Handle(ctx context.Context, r slog.Record) error {
	rest := slog.NewRecord(time.Time{}, dropped, "", 0)
	r.Attrs(func(a slog.Attr) bool { rest.AddAttrs(a); return true })

	l := h.lines
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Reset()
	head := l.buf.AvailableBuffer()
	head = append(r.Time.AppendFormat(head, clockLayout), ' ')
	head = append(head, (r.Level.String() + "     ")[:max(5, len(r.Level.String()))]...)
	head = appendPlain(append(head, ' '), []byte(r.Message))
	l.buf.Write(append(head, ' '))
	if err := h.attrs.Handle(ctx, rest); err != nil {
		return err
	}
	line := append(bytes.TrimRight(l.buf.Bytes(), " \n"), '\n')
	_, err := l.w.Write(line)
	return err
}

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &textHandler{lines: h.lines, attrs: h.attrs.WithAttrs(attrs)}
}

func (h *textHandler) WithGroup(name string) slog.Handler {
	return &textHandler{lines: h.lines, attrs: h.attrs.WithGroup(name)}
}

// appendPlain appends text with everything escaped that is not seen as itself, as in a Go string: no line break, no
// terminal control, no change of direction.
func appendPlain(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, "\uFFFD"...)
		case unicode.IsPrint(r):
			dst = append(dst, text[:n]...)
		default:
			quoted := strconv.AppendQuoteRuneToASCII(dst, r)
			dst = append(quoted[:len(dst)], quoted[len(dst)+1:len(quoted)-1]...)
		}
		text = text[n:]
	}
	return dst
}
