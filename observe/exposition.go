package observe

import (
	"io"
	"net/http"

	"github.com/prometheus/common/expfmt"
)

// ContentType is the form of metrics that a reader with that Accept field gets: OpenMetrics, Prometheus' protobuf
// or its text. Native histograms are in the protobuf only.
func (m *Metrics) ContentType(accept string) string {
	return string(expfmt.NegotiateAccept(http.Header{"Accept": {accept}}, expfmt.DefaultOpenMetricsAcceptedFormats()...))
}

// Expose writes all series in a form from ContentType. What can be collected is written also when something cannot,
// which is the error then.
func (m *Metrics) Expose(w io.Writer, contentType string) error {
	families, gathered := m.registry.Gather()
	enc := expfmt.NewEncoder(w, expfmt.Format(contentType))
	for _, f := range families {
		if err := enc.Encode(f); err != nil {
			return err
		}
	}
	if c, ok := enc.(expfmt.Closer); ok {
		if err := c.Close(); err != nil {
			return err
		}
	}
	return gathered
}
