package observe

import (
	"strconv"
	"sync/atomic"

	"github.com/sluiceapi/sluice"
)

// methods are those with a label of their own; any other is "OTHER", so that clients cannot make series.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}

const otherMethod = "OTHER"

// methodIndex is the index into methods, or their number for any other method.
func methodIndex(method string) int {
	for i, m := range methods {
		if m == method {
			return i
		}
	}
	return len(methods)
}

func methodLabel(index int) string {
	if index == len(methods) {
		return otherMethod
	}
	return methods[index]
}

// series are the time series of one endpoint.
type series struct {
	metrics  *Metrics
	endpoint string
	// field is the endpoint as it stands in a line of the access log.
	field []byte
	// requests holds the counters by method. A list is never changed, only replaced by a longer one.
	requests       [len(methods) + 1]atomic.Pointer[[]statusCounter]
	duration       *histogram
	received, sent sluice.Counter
	cut            sluice.Counter
}

// statusCounter counts the requests of one method that were answered with one status.
type statusCounter struct {
	status  int
	counter sluice.Counter
}

func newSeries(m *Metrics, endpoint string) *series {
	label := sluice.Label{Name: "endpoint", Value: endpoint}
	return &series{
		metrics: m, endpoint: endpoint,
		field:    append(sluice.AppendJSONString([]byte(`"endpoint":`), []byte(endpoint)), ','),
		duration: m.histogram("api_request_duration_seconds", "Time from the first byte of an API request to the last of its answer", label),
		received: m.Counter("api_request_bytes_total", "Total bytes of the bodies of API requests", label),
		sent:     m.Counter("api_response_bytes_total", "Total bytes of the bodies of answers to API requests", label),
		cut:      m.Counter("api_responses_cut_total", "Total answers that were begun and not sent to their end", label),
	}
}

func (s *series) count(e *ended) {
	o := &e.outcome
	s.counter(e.x.Request.Method, o.Status).Add(1)
	if o.Received > 0 {
		s.received.Add(float64(o.Received))
	}
	if o.Sent > 0 {
		s.sent.Add(float64(o.Sent))
	}
	if o.Err != nil && o.Status < 400 {
		s.cut.Add(1)
	}
	if o.Status == 101 {
		return // an upgraded connection lives as long as its ends like: no latency of an answer
	}
	if e.exported {
		s.duration.observeTrace(e.duration, e.at, &e.trace)
		return
	}
	s.duration.Observe(e.duration)
}

// counter is found without a lock. Only the first request of a method and a status makes one.
func (s *series) counter(method string, status int) sluice.Counter {
	index := methodIndex(method)
	if list := s.requests[index].Load(); list != nil {
		for _, c := range *list {
			if c.status == status {
				return c.counter
			}
		}
	}
	return s.addCounter(index, status)
}

func (s *series) addCounter(index, status int) sluice.Counter {
	added := statusCounter{status: status, counter: s.metrics.Counter("api_requests_total", "Total API requests",
		sluice.Label{Name: "endpoint", Value: s.endpoint},
		sluice.Label{Name: "method", Value: methodLabel(index)},
		sluice.Label{Name: "status", Value: strconv.Itoa(status)})}
	row := &s.requests[index]
	for {
		old := row.Load()
		var list []statusCounter
		if old != nil {
			list = append(list, *old...)
		}
		list = append(list, added)
		if row.CompareAndSwap(old, &list) {
			return added.counter
		}
	}
}
