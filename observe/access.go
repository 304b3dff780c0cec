package observe

import (
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/sluiceapi/sluice"
)

// accessLog writes a line for every exchange. JSON is gathered and written many lines at a time (see output); text is
// for people, who want to see each line at once. The query is not in it, since queries hold secrets.
type accessLog struct {
	out  *output
	text bool
	// lines are the buffers that lines are made in, as *[]byte.
	lines sync.Pool
	// second is the one that was last written.
	second atomic.Pointer[second]
}

// second is how one second is written: up to the dot, and its zone.
type second struct {
	unix       int64
	date, zone string
}

func newAccessLog(o *Options) *accessLog {
	if o.AccessLog == nil {
		return nil
	}
	a := &accessLog{out: &output{
		w: o.AccessLog, now: o.Now, log: o.Log,
		lost: o.Metrics.Counter("sluice_access_log_lost_total", "Lines of the access log that could not be written"),
		wake: make(chan struct{}, 1), full: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}, text: o.Format == Text}
	a.lines.New = func() any { return new([]byte) }
	if a.text {
		a.out.direct = true
		close(a.out.done)
	} else {
		go a.out.run()
	}
	return a
}

func (a *accessLog) log(e *ended) {
	line := a.lines.Get().(*[]byte)
	if a.text {
		*line = appendTextLine((*line)[:0], e)
	} else {
		*line = appendJSONLine(a.appendTime((*line)[:0], e.at), e)
	}
	a.out.write(*line)
	a.lines.Put(line)
}

// maxLogged is how much of one value a client can have logged, in bytes.
const maxLogged = 1024

// cut is text of at most maxLogged bytes, with no half character at its end.
func cut(text []byte) []byte {
	if len(text) <= maxLogged {
		return text
	}
	end := maxLogged
	for end > maxLogged-utf8.UTFMax && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// appendTime appends the beginning of a line, with the time to the millisecond.
func (a *accessLog) appendTime(dst []byte, t time.Time) []byte {
	s := a.second.Load()
	if unix := t.Unix(); s == nil || s.unix != unix {
		s = &second{unix: unix, date: `{"time":"` + t.Format("2006-01-02T15:04:05."), zone: t.Format("Z07:00")}
		a.second.Store(s)
	}
	return append(appendThousandths(append(dst, s.date...), t.Nanosecond()/int(time.Millisecond)), s.zone...)
}

// appendThousandths appends a number below 1000 with three digits.
func appendThousandths(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/100), byte('0'+n/10%10), byte('0'+n%10))
}

// appendJSONLine appends the rest of a line.
func appendJSONLine(dst []byte, e *ended) []byte {
	x, o := e.x, &e.outcome
	dst = append(dst, `","level":"INFO","msg":"request",`...)
	dst = append(dst, e.series.field...)
	dst = append(dst, `"method":`...)
	dst = sluice.AppendJSONString(dst, cut([]byte(x.Request.Method)))
	dst = append(dst, `,"path":`...)
	dst = sluice.AppendJSONString(dst, cut(x.Request.Path))
	dst = append(dst, `,"status":`...)
	dst = strconv.AppendInt(dst, int64(o.Status), 10)
	dst = append(dst, `,"duration_ms":`...)
	dst = appendMilliseconds(dst, e.duration)
	dst = append(dst, `,"bytes_in":`...)
	dst = strconv.AppendInt(dst, o.Received, 10)
	dst = append(dst, `,"bytes_out":`...)
	dst = strconv.AppendInt(dst, o.Sent, 10)
	if x.Caller.Known() {
		dst = append(dst, `,"caller":`...)
		dst = sluice.AppendJSONString(dst, cut([]byte(x.Caller.Subject)))
	}
	if x.Request.Client.IsValid() {
		dst = append(dst, `,"client_ip":"`...)
		dst = append(x.Request.Client.AppendTo(dst), '"')
	}
	dst = append(dst, `,"request_id":`...)
	dst = sluice.AppendJSONString(dst, x.RequestID())
	if e.traced {
		dst = append(dst, `,"trace_id":"`...)
		dst = append(e.trace.appendTraceID(dst), '"')
	}
	if o.Err != nil {
		dst = append(dst, `,"error":"`...)
		dst = append(append(dst, sluice.ErrorOf(o.Err).Code.String()...), '"')
	}
	return append(dst, '}', '\n')
}

// appendTextLine appends "15:04:05.000 INFO  GET /path 200 1.234ms endpoint …".
func appendTextLine(dst []byte, e *ended) []byte {
	x, o := e.x, &e.outcome
	dst = e.at.AppendFormat(dst, clockLayout)
	dst = append(append(append(dst, ' '), slog.LevelInfo.String()...), "  "...)
	dst = appendPlain(dst, cut([]byte(x.Request.Method)))
	dst = appendPlain(append(dst, ' '), cut(x.Request.Path))
	dst = strconv.AppendInt(append(dst, ' '), int64(o.Status), 10)
	dst = appendMilliseconds(append(dst, ' '), e.duration)
	dst = append(dst, "ms endpoint="...)
	dst = appendPlain(dst, []byte(e.series.endpoint))
	dst = strconv.AppendInt(append(dst, " bytes_in="...), o.Received, 10)
	dst = strconv.AppendInt(append(dst, " bytes_out="...), o.Sent, 10)
	if x.Caller.Known() {
		dst = appendPlain(append(dst, " caller="...), cut([]byte(x.Caller.Subject)))
	}
	if x.Request.Client.IsValid() {
		dst = x.Request.Client.AppendTo(append(dst, " client_ip="...))
	}
	if o.Err != nil {
		dst = append(dst, " error="...)
		dst = append(dst, sluice.ErrorOf(o.Err).Code.String()...)
	}
	dst = append(append(dst, " request_id="...), x.RequestID()...)
	if e.traced {
		dst = e.trace.appendTraceID(append(dst, " trace_id="...))
	}
	return append(dst, '\n')
}

// appendMilliseconds appends d, which is not negative, in milliseconds with three decimals.
func appendMilliseconds(dst []byte, d time.Duration) []byte {
	n := d.Round(time.Microsecond).Microseconds()
	return appendThousandths(append(strconv.AppendInt(dst, n/1000, 10), '.'), int(n%1000))
}
