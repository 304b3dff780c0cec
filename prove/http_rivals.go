package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sluiceapi/sluice/sluicetest/battery"
	"github.com/sluiceapi/sluice/sluicetest/servers"
)

// rivals sends the battery to nginx and HAProxy, where they are installed, before the same service. Much of what they answer
// otherwise is a matter of choice, so of them only that is told which nobody should take: requests that the grammar refuses
// and that were passed on.
func (t *httpTrial) rivals(ctx context.Context) error {
	err := servers.Within(os.Stderr, func(o servers.Owner) error {
		n := servers.StartNginx(o, fmt.Sprintf(`client_max_body_size %dk; large_client_header_buffers 4 %dk;
	upstream service { server %s; keepalive 32; }
	server {
		listen {address}; keepalive_requests 1000000;
		location / {
			proxy_pass http://service; proxy_http_version 1.1; proxy_request_buffering off;
			proxy_set_header Host $http_host; proxy_set_header Connection "";
		}
	}`, httpMaxBody>>10, httpMaxHeader>>10, t.service.address))
		return t.rival(ctx, "nginx", n.Address())
	})
	if err != nil {
		return err
	}
	program, err := exec.LookPath("haproxy")
	if err != nil {
		progress("HAProxy is not installed, and left out")
		return nil
	}
	address, err := freeAddress()
	if err != nil {
		return err
	}
	config, err := t.write("haproxy.cfg", fmt.Sprintf(`defaults
	mode http
	timeout connect 5s
	timeout client 1m
	timeout server 1m
	timeout http-request 1m
frontend gateway
	bind %s
	default_backend service
backend service
	server one %s
`, address, t.service.address))
	if err != nil {
		return err
	}
	cmd := exec.Command(program, "-db", "-f", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	for until := time.Now().Add(patience); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(until) || !rest(ctx, samplePause) {
			return fmt.Errorf("HAProxy does not listen: %w", err)
		}
	}
	return t.rival(ctx, "HAProxy", address)
}

func (t *httpTrial) rival(ctx context.Context, name, address string) error {
	progress("the battery against " + name)
	target := &battery.Target{Address: address, MaxHeader: httpMaxHeader, MaxBody: httpMaxBody, Splits: 1,
		Patience: 2 * time.Second} // they wait for more in many cases
	r := target.Run(ctx)
	taken, refusals := 0, 0
	for _, c := range target.Cases() {
		if c.Refused() {
			refusals++
		}
	}
	for _, f := range r.Faults {
		if f.Taken {
			taken++
		}
	}
	t.rows = append(t.rows, httpRow{name: "battery, " + name, cases: refusals, note: fmt.Sprintf("to be refused; it passes %d of them on", taken)})
	return ctx.Err()
}
