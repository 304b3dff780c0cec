package cache

import (
	"strconv"

	"github.com/sluiceapi/sluice"
)

// reason is why a request went on to the backend.
type reason uint8

const (
	missing reason = iota + 1
	missingVariant
	// unkept: the answer could not be kept a moment ago.
	unkept
	bypassed
	expired
	purged
	// unsure: nobody could say whether the answer was purged.
	unsure
	// behind: the caller has seen newer data.
	behind
	reasons
)

// forwards are the words of RFC 9211, section 2.2, and why in more detail.
var forwards = [reasons]string{
	missing:        "Sluice; fwd=uri-miss",
	missingVariant: "Sluice; fwd=vary-miss",
	unkept:         "Sluice; fwd=uri-miss; detail=PASS",
	bypassed:       "Sluice; fwd=bypass",
	expired:        "Sluice; fwd=stale",
	purged:         "Sluice; fwd=stale; detail=PURGED",
	unsure:         "Sluice; fwd=miss; detail=UNCONFIRMED",
	behind:         "Sluice; fwd=request; detail=BEHIND",
}

const (
	field     = "Cache-Status"
	andStored = "; stored"
	joined    = "Sluice; fwd=uri-miss; collapsed"
)

// tellForward says in the answer that the backend made it, and why.
func tellForward(h *sluice.Header, why reason, stored bool) {
	if !stored {
		h.Add(field, forwards[why])
		return
	}
	var space [96]byte
	h.AddCopy(field, append(append(space[:0], forwards[why]...), andStored...))
}

// tellHit says in the answer that it was kept, and for how many seconds more it is fresh.
func tellHit(h *sluice.Header, ttl int64, shared bool) {
	var space [96]byte
	b := strconv.AppendInt(append(space[:0], "Sluice; hit; ttl="...), ttl, 10)
	if shared {
		b = append(b, "; detail=SHARED"...)
	}
	h.AddCopy(field, b)
}
