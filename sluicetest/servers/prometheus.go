package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// Prometheus is a Prometheus server. Its methods may be called from any goroutine, those that start and stop it by one at
// a time.
type Prometheus struct {
	server
	program string
	config  string
}

// StartPrometheus starts a Prometheus with this configuration, as prometheus.yml has it, and waits until it is ready. In
// it {dir} stands for its Folder.
func StartPrometheus(o Owner, config string) *Prometheus {
	o.Helper()
	p, err := startPrometheus(o, config)
	if err != nil {
		lacking(o, err)
	}
	return p
}

func startPrometheus(o Owner, config string) (*Prometheus, error) {
	program, err := find("prometheus")
	if err != nil {
		return nil, err
	}
	f, err := makeFolder(disk(), nil)
	if err != nil {
		return nil, err
	}
	p := &Prometheus{program: program, config: config}
	p.server = server{owner: o, name: "Prometheus", folder: f, serve: p.serve, down: syscall.SIGTERM, gone: syscall.SIGKILL}
	o.Cleanup(p.end)
	return p, p.open()
}

// URL is http:// with the address.
func (p *Prometheus) URL() string { return "http://" + p.Address() }

func (p *Prometheus) serve(port int) (*process, error) {
	file := p.folder.join("prometheus.yml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(p.config, "{dir}", p.folder.path)), 0o600); err != nil {
		return nil, err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	process, err := command{program: p.program, dir: p.folder.path, log: p.folder.join("log"), death: syscall.SIGKILL,
		args: []string{"--config.file=" + file, "--storage.tsdb.path=" + p.folder.join("data"), "--web.listen-address=" + address, "--log.level=warn"},
	}.start()
	if err != nil {
		return nil, err
	}
	err = process.ready(func() (bool, error) {
		client := http.Client{Timeout: time.Second}
		answer, err := client.Get("http://" + address + "/-/ready")
		if err != nil {
			return false, nil
		}
		return answer.StatusCode == http.StatusOK, answer.Body.Close()
	})
	if err != nil {
		process.kill()
	}
	return process, err
}

// Sample is a series of the answer to a query, with its value of the moment.
type Sample struct {
	Labels map[string]string
	Value  string
}

// Query answers an instant query of PromQL that has a vector for an answer.
func (p *Prometheus) Query(ctx context.Context, query string) ([]Sample, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/api/v1/query?query="+url.QueryEscape(query), nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	const most = 16 << 20
	body, err := io.ReadAll(io.LimitReader(answer.Body, most))
	if err != nil {
		return nil, err
	}
	var got struct {
		Error string
		Data  struct {
			ResultType string
			Result     []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, fmt.Errorf("query %s: %w: %.200s", query, err, body)
	}
	switch {
	case got.Error != "":
		return nil, fmt.Errorf("query %s: %s", query, got.Error)
	case got.Data.ResultType != "vector":
		return nil, errors.New("query " + query + ": the answer is a " + got.Data.ResultType + "; want a vector")
	}
	var all []Sample
	for _, s := range got.Data.Result {
		all = append(all, Sample{Labels: s.Metric, Value: fmt.Sprint(s.Value[1])})
	}
	return all, nil
}
