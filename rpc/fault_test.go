package rpc_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
)

// What a node tells as a status another node understands as it was meant.
func TestFaultOfOurOwn(t *testing.T) {
	t.Parallel()
	for _, code := range sluice.Codes() {
		if code == sluice.ClientLeft {
			continue
		}
		x := sluice.NewExchange(nil)
		x.Endpoint = &sluice.Endpoint{}
		rpc.SetError(x, &sluice.Error{Code: code, Message: "größer", RetryAfter: 3e9, Fields: []sluice.InputError{{Name: "a", Message: "b"}}})
		h := &x.Response.Trailer
		s, ok := rpc.ParseStatus(string(h.Value("Grpc-Status")), string(h.Value("Grpc-Message")), string(h.Value("Grpc-Status-Details-Bin")))
		e := s.Fault(nil)
		if !ok || e.Code != code || e.RetryAfter != 3e9 || len(e.Details) > 0 {
			t.Errorf("%v became %+v", code, e)
		}
		if hidden := code == sluice.Internal; hidden != (e.Message == "") || hidden != (len(e.Fields) == 0) || !strings.Contains(e.Error(), "größer") {
			t.Errorf("%v became %+v", code, e)
		}
	}
}

func FuzzStatus(f *testing.F) {
	f.Add("5", "nobody", "CAUSBm5vYm9keQ")
	f.Add("", "%", "=")
	f.Add("99999999999999999999", "%c3%a4%zz", "!!")
	f.Add("13", "", base64.StdEncoding.EncodeToString([]byte{8, 13, 26, 2, 10, 0}))
	f.Fuzz(func(t *testing.T, code, message, details string) {
		s, ok := rpc.ParseStatus(code, message, details)
		if !ok {
			return
		}
		e := s.Fault(nil)
		if e.Code == sluice.ClientLeft || e.RetryAfter < 0 || s.Code == codes.Internal && e.Message != "" && e.Code == sluice.Internal {
			t.Errorf("%q became %+v", code, e)
		}
		e.AppendProblem(nil, nil)
	})
}

func FuzzSetJSON(f *testing.F) {
	s, err := rpc.Load([]sluice.Path{"testdata/all.proto"})
	if err != nil {
		f.Skip(err)
	}
	var all []*rpc.Type
	for _, service := range s.Services() {
		for _, m := range s.Methods(service) {
			all = append(all, m.In)
		}
	}
	for i, text := range []string{`7`, `"7"`, `[1,"2"]`, `{"a": 1}`, `null`, `true`, `"2026-01-02T03:04:05Z"`, `1e3`, `""`, `"\ud800"`} {
		f.Add(text, uint8(i))
	}
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		for _, typ := range all {
			fields := typ.Fields()
			if len(fields) == 0 {
				continue
			}
			m := typ.New()
			if m.SetJSON(fields[int(n)%len(fields)], []byte(text)) != nil {
				continue
			}
			wire, err := m.AppendWire(nil)
			if err != nil {
				continue
			}
			if _, err := typ.Read(wire); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	})
}
