package jwt

import (
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/sluiceapi/sluice"
)

// maxLines is how many refusals are told of in a second; the others are counted.
const maxLines = 10

// refusalLog tells why tokens are refused, but not of all when there are many.
type refusalLog struct {
	log *slog.Logger
	now func() time.Time
	// second is the one of the moment, lines how many refusals it saw.
	second, lines atomic.Int64
}

// refuse counts a refused token and tells why it was refused.
func (v *verifier) refuse(x *sluice.Exchange, why refusal) {
	v.counts.refused.Add(1)
	v.log.tell(x, why)
}

// tell tells of a refusal, never of the token. At the turn of a second a line more or less may be told.
func (l *refusalLog) tell(x *sluice.Exchange, why refusal) {
	second := l.now().Unix()
	if old := l.second.Load(); old != second && l.second.CompareAndSwap(old, second) {
		if untold := l.lines.Swap(0) - maxLines; untold > 0 {
			l.log.Info("more tokens are refused", "count", untold)
		}
	}
	if l.lines.Add(1) > maxLines {
		return
	}
	endpoint := ""
	if x.Endpoint != nil {
		endpoint = x.Endpoint.Name
	}
	l.log.Info("a token is refused", "reason", string(why), "endpoint", endpoint, "client", x.Request.Client.String(),
		"request_id", string(x.RequestID()))
}
