package sluice

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"time"
)

// Keep makes a copy of the exchange that shares no memory with it: it can be stored, sent to another node and served
// again. The request's body is read into memory, and stays readable here; more than limit bytes are a TooLarge
// error. The copy has no connection, no response and no inputs: those are checked again where it is served.
func (x *Exchange) Keep(limit int64) (*Exchange, error) {
	body, err := x.Request.Body.Load(limit)
	if err != nil {
		return nil, err
	}
	k := NewExchange(nil)
	k.Endpoint, k.Route, k.Start, k.Deadline = x.Endpoint, x.Route, x.Start, x.Deadline
	k.Caller = x.Caller
	k.Seen = Seen{floor: slices.Clone(x.Seen.floor)}
	k.Caller.Claims = bytes.Clone(x.Caller.Claims)
	k.id = bytes.Clone(x.RequestID())
	k.newID = bytes.Clone(x.newID)
	r, from := &k.Request, &x.Request
	header, trailer := r.Header, r.Trailer
	*r = *from
	r.Header, r.Trailer = header, trailer
	r.Header.CopyFrom(&from.Header)
	r.Trailer.CopyFrom(&from.Trailer)
	r.Host, r.Path, r.Query = bytes.Clone(from.Host), bytes.Clone(from.Path), bytes.Clone(from.Query)
	r.Params = slices.Clone(from.Params)
	for i := range r.Params {
		r.Params[i].Value = bytes.Clone(r.Params[i].Value)
	}
	r.Body = Body{Bytes: bytes.Clone(body)}
	return k, nil
}

// kept is the stored form of an exchange. Its names are part of what other nodes, perhaps of another version, read.
type kept struct {
	Version  int         `json:"v"`
	Endpoint string      `json:"endpoint,omitempty"`
	Route    string      `json:"route,omitempty"`
	Start    time.Time   `json:"start,omitzero"`
	Deadline time.Time   `json:"deadline,omitzero"`
	ID       string      `json:"id,omitempty"`
	NewID    string      `json:"new_id,omitempty"`
	Method   string      `json:"method"`
	Scheme   string      `json:"scheme,omitempty"`
	Proto    string      `json:"proto,omitempty"`
	Host     []byte      `json:"host,omitempty"`
	Path     []byte      `json:"path"`
	Query    []byte      `json:"query,omitempty"`
	Header   []keptField `json:"header,omitempty"`
	Params   []keptField `json:"params,omitempty"`
	Body     []byte      `json:"body,omitempty"`
	Trailer  []keptField `json:"trailer,omitempty"`
	Remote   string      `json:"remote,omitempty"`
	Client   string      `json:"client,omitempty"`
	Trusted  bool        `json:"trusted,omitempty"`
	Peer     []byte      `json:"peer,omitempty"`
	Chain    [][]byte    `json:"peer_chain,omitempty"`
	Caller   *keptCaller `json:"caller,omitempty"`
	Seen     []Version   `json:"seen,omitempty"`
}

type keptField struct {
	Name  []byte `json:"n"`
	Value []byte `json:"v"`
}

type keptCaller struct {
	Scheme  string          `json:"scheme"`
	Issuer  string          `json:"issuer,omitempty"`
	Subject string          `json:"subject"`
	Claims  json.RawMessage `json:"claims,omitempty"`
}

const keptVersion = 1

// MarshalBinary is the stored form of an exchange whose body is in memory, as Keep makes it.
func (x *Exchange) MarshalBinary() ([]byte, error) {
	r := &x.Request
	if r.Body.Stream != nil {
		return nil, fmt.Errorf("an exchange whose body is streamed cannot be stored; keep it first")
	}
	k := kept{Version: keptVersion, Route: x.Route, Start: x.Start, Deadline: x.Deadline, ID: string(x.RequestID()), NewID: string(x.newID),
		Method: r.Method, Scheme: r.Scheme, Proto: r.Proto, Host: r.Host, Path: r.Path, Query: r.Query,
		Header: keptFields(&r.Header), Body: r.Body.Bytes, Trailer: keptFields(&r.Trailer), Trusted: r.TrustedPeer, Seen: x.Seen.floor}
	if x.Endpoint != nil {
		k.Endpoint = x.Endpoint.Name
	}
	for _, p := range r.Params {
		k.Params = append(k.Params, keptField{Name: []byte(p.Name), Value: p.Value})
	}
	if r.Remote.IsValid() {
		k.Remote = r.Remote.String()
	}
	if r.Client.IsValid() {
		k.Client = r.Client.String()
	}
	if r.Peer != nil {
		k.Peer = r.Peer.Raw
		for _, c := range r.PeerChain {
			k.Chain = append(k.Chain, c.Raw)
		}
	}
	if c := &x.Caller; c.Known() {
		k.Caller = &keptCaller{Scheme: c.Scheme, Issuer: c.Issuer, Subject: c.Subject, Claims: c.Claims}
	}
	return json.Marshal(&k)
}

// Restore makes an exchange from its stored form; endpoint finds the endpoint of a name in the node that will serve
// it, and returns nil when there is none any more, which is an error.
func Restore(data []byte, endpoint func(name string) *Endpoint) (*Exchange, error) {
	var k kept
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, fmt.Errorf("stored exchange: %w", err)
	}
	if k.Version != keptVersion {
		return nil, fmt.Errorf("stored exchange of version %d; this node reads version %d", k.Version, keptVersion)
	}
	x := NewExchange(nil)
	if k.Endpoint != "" {
		if x.Endpoint = endpoint(k.Endpoint); x.Endpoint == nil {
			return nil, fmt.Errorf("stored exchange of endpoint %q, which is not there", k.Endpoint)
		}
	}
	x.Route, x.Start, x.Deadline = k.Route, k.Start, k.Deadline
	x.Seen.floor = k.Seen
	if k.ID != "" {
		x.id = []byte(k.ID)
	}
	if k.NewID != "" {
		x.newID = []byte(k.NewID)
	}
	if c := k.Caller; c != nil {
		x.Caller = Caller{Scheme: c.Scheme, Issuer: c.Issuer, Subject: c.Subject, Claims: c.Claims}
	}
	return x, k.restoreRequest(&x.Request)
}

func (k *kept) restoreRequest(r *Request) (err error) {
	r.Method, r.Scheme, r.Proto, r.TrustedPeer = k.Method, k.Scheme, k.Proto, k.Trusted
	r.Host, r.Path, r.Query = k.Host, k.Path, k.Query
	r.Body.SetBytes(k.Body)
	for _, f := range k.Header {
		r.Header.AddBytes(f.Name, f.Value)
	}
	for _, f := range k.Trailer {
		r.Trailer.AddBytes(f.Name, f.Value)
	}
	for _, p := range k.Params {
		r.Params = append(r.Params, Param{Name: string(p.Name), Value: p.Value})
	}
	if k.Remote != "" {
		if r.Remote, err = netip.ParseAddrPort(k.Remote); err != nil {
			return fmt.Errorf("stored exchange: remote: %w", err)
		}
	}
	if k.Client != "" {
		if r.Client, err = netip.ParseAddr(k.Client); err != nil {
			return fmt.Errorf("stored exchange: client: %w", err)
		}
	}
	if k.Peer != nil {
		if r.Peer, err = x509.ParseCertificate(k.Peer); err != nil {
			return fmt.Errorf("stored exchange: peer: %w", err)
		}
	}
	for _, der := range k.Chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("stored exchange: peer: %w", err)
		}
		r.PeerChain = append(r.PeerChain, c)
	}
	return nil
}

func keptFields(h *Header) []keptField {
	var fields []keptField
	for _, f := range h.Fields() {
		fields = append(fields, keptField(f))
	}
	return fields
}
