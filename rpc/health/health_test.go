package health_test

import (
	"testing"

	v1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"

	"github.com/sluiceapi/sluice"
	"github.com/sluiceapi/sluice/rpc"
	"github.com/sluiceapi/sluice/rpc/health"
	"github.com/sluiceapi/sluice/sluicetest"
)

// FuzzHealth holds that no body of a call does harm, and that what is answered is a message.
func FuzzHealth(f *testing.F) {
	h := health.New(health.Options{Services: []string{"a.B"}, Readiness: func() health.Readiness { return health.Readiness{Ready: true} }})
	wire, err := proto.Marshal(&v1.HealthCheckRequest{Service: "a.B"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(rpc.AppendFrame(nil, wire), false)
	f.Add(rpc.AppendFrame(nil, nil), true)
	f.Fuzz(func(t *testing.T, body []byte, list bool) {
		path := v1.Health_Check_FullMethodName
		if list {
			path = v1.Health_List_FullMethodName
		}
		x := sluicetest.Exchange(t, "POST "+path, string(body), "Content-Type: application/grpc")
		a := sluicetest.Do(h, x)
		if a.Err != nil {
			if a.Code == sluice.Internal {
				t.Fatalf("%x: %v", body, a.Err)
			}
			return
		}
		if _, err := rpc.One([]byte(a.Body), "", 1<<20); err != nil {
			t.Fatalf("%x is answered with %x: %v", body, a.Body, err)
		}
	})
}
