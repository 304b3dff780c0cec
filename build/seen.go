package build

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"
	"time"

	"github.com/sluiceapi/sluice"
)

const (
	// tokenField is the field that carries a consistency token both ways.
	tokenField = "Consistency-Token"
	// tokenPurpose keeps what was sealed for another purpose from being one.
	tokenPurpose = "seen"
	// maxSeen is how many sources a token holds.
	maxSeen = 32
)

// seen reads what the caller has seen from the consistency token that it gives back, and tells it when that has grown.
type seen struct {
	next sluice.Handler
	keys *sluice.Keyring
	now  func() time.Time
}

var errToken = &sluice.Error{Code: sluice.BadRequest, Message: "the consistency token is not one of this system",
	Fields: []sluice.InputError{{Name: "header.consistency-token", Message: "want the token of an earlier answer, as it came, or none"}}}

// Serve refuses a token that is none of ours, and ignores one that is so old that every replica has caught up with it.
// A cookie that is none of ours is taken away instead: a browser cannot help sending it.
func (h *seen) Serve(x *sluice.Exchange) error {
	drop := false
	if token := x.Request.Header.Value(tokenField); token != nil {
		if err := h.read(&x.Seen, token); err != nil {
			return errToken
		}
	} else if token := cookie(&x.Request.Header, sluice.TokenCookie); token != nil {
		drop = h.read(&x.Seen, token) != nil
	}
	err := h.next.Serve(x)
	if x.Seen.Grown() {
		h.tell(x)
	} else if drop {
		x.Response.Header.Add("Set-Cookie", sluice.TokenCookie+"=; Secure; Path=/; Max-Age=0; HttpOnly; SameSite=Lax")
	}
	return err
}

// read takes over the versions of a token.
func (h *seen) read(s *sluice.Seen, token []byte) error {
	data, err := h.keys.Open(tokenPurpose, string(token))
	if err != nil {
		return err
	}
	issued, versions, err := decodeSeen(data)
	if err != nil {
		return err
	}
	if h.now().Sub(issued) > sluice.SeenFor {
		return nil
	}
	for _, v := range versions {
		s.SetFloor(v)
	}
	return nil
}

// tell gives the caller a new token. It is told of failures too: what was written before one is there.
func (h *seen) tell(x *sluice.Exchange) {
	var space [256]byte
	token := h.keys.Seal(tokenPurpose, appendSeen(space[:0], h.now(), x.Seen.Floors()))
	x.Response.Header.Set(tokenField, token)
	if x.Request.Scheme == "https" {
		x.Response.Header.Add("Set-Cookie", sluice.TokenCookie+"="+token+"; Secure; Path=/; Max-Age="+strconv.Itoa(int(sluice.SeenFor/time.Second))+"; HttpOnly; SameSite=Lax")
	}
}

// cookie is the value of the first cookie of that name, or nil.
func cookie(h *sluice.Header, name string) []byte {
	if !h.Has("Cookie") {
		return nil
	}
	for _, f := range h.Fields() {
		if !sluice.SameToken(f.Name, "Cookie") {
			continue
		}
		for list := f.Value; len(list) > 0; {
			var pair []byte
			pair, list, _ = bytes.Cut(list, []byte{';'})
			key, value, found := bytes.Cut(bytes.TrimSpace(pair), []byte{'='})
			if found && string(key) == name {
				return value
			}
		}
	}
	return nil
}

// A token's data is its form, the time it was issued at in milliseconds since 1970, and for each source its name in 8
// bytes, a timeline of which the lowest bit tells whether the position is a time, and the position.
const seenForm = 1

var errSeen = errors.New("not a consistency token")

// appendSeen appends the data of a token. Of more sources than one holds, those that were noted last count: the caller
// of so many has lost track of the others itself.
func appendSeen(dst []byte, now time.Time, versions []sluice.Version) []byte {
	dst = append(dst, seenForm)
	dst = binary.AppendUvarint(dst, uint64(now.UnixMilli()))
	if len(versions) > maxSeen {
		versions = versions[len(versions)-maxSeen:]
	}
	for _, v := range versions {
		dst = binary.BigEndian.AppendUint64(dst, v.Source)
		timeline := uint64(v.Timeline) << 1
		if v.Timed {
			timeline |= 1
		}
		dst = binary.AppendUvarint(dst, timeline)
		dst = binary.AppendUvarint(dst, v.Position)
	}
	return dst
}

// decodeSeen reads the data of a token.
func decodeSeen(data []byte) (issued time.Time, versions []sluice.Version, err error) {
	if len(data) == 0 || data[0] != seenForm {
		return issued, nil, errSeen
	}
	data = data[1:]
	next := func() (n uint64) {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			err, data = errSeen, nil
			return 0
		}
		data = data[size:]
		return n
	}
	issued = time.UnixMilli(int64(next()))
	for len(data) > 0 && err == nil {
		if len(data) < 8 || len(versions) == maxSeen {
			return issued, nil, errSeen
		}
		v := sluice.Version{Source: binary.BigEndian.Uint64(data)}
		data = data[8:]
		timeline := next()
		if timeline>>33 > 0 {
			return issued, nil, errSeen
		}
		v.Timeline, v.Timed = uint32(timeline>>1), timeline&1 == 1
		v.Position = next()
		versions = append(versions, v)
	}
	return issued, versions, err
}
