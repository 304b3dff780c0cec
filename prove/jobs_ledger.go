package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// jobSeen is how a job was when somebody looked.
type jobSeen struct {
	status, version string
	result          string // what was answered, where it has succeeded or failed
}

func (j jobSeen) final() bool {
	switch j.status {
	case "succeeded", "failed", "cancelled", "dead":
		return true
	}
	return false
}

// jobsLedger knows what clients were told. Its methods may be called at once.
type jobsLedger struct {
	mu    sync.Mutex // guards what follows
	ids   []string   // by the number of the request
	ends  []jobSeen
	twice []string // requests that made two jobs, and jobs that stand for two requests
	byID  map[string]int
	first time.Time
	last  time.Time
}

func newJobsLedger(n int) *jobsLedger {
	return &jobsLedger{ids: make([]string, n), ends: make([]jobSeen, n), byID: map[string]int{}, first: time.Now()}
}

func (l *jobsLedger) accepted(n int, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = time.Now()
	if other, found := l.byID[id]; found && other != n {
		l.twice = append(l.twice, fmt.Sprintf("the job %s stands for the requests %d and %d", id, other, n))
	}
	if was := l.ids[n]; was != "" && was != id {
		l.twice = append(l.twice, fmt.Sprintf("the request %d has made the jobs %s and %s", n, was, id))
	}
	l.ids[n], l.byID[id] = id, n
}

func (l *jobsLedger) id(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ids[n]
}

func (l *jobsLedger) all() []int {
	all := make([]int, len(l.ids))
	for i := range all {
		all[i] = i
	}
	return all
}

func (l *jobsLedger) unfinished() (left []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, j := range l.ends {
		if j.status == "" && l.ids[i] != "" {
			left = append(left, i)
		}
	}
	return left
}

// ended notes a job that is over, and tells whether it is.
func (l *jobsLedger) ended(n int, j jobSeen) bool {
	if !j.final() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends[n] = j
	return true
}

// same tells whether a job is as it was when it was over.
func (l *jobsLedger) same(n int, j jobSeen) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ends[n] == j
}

// asker is a client of API nodes.
type asker struct{ client http.Client }

func newAsker() *asker {
	return &asker{client: http.Client{Timeout: jobsHTTPLimit, Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, MaxIdleConnsPerHost: 2,
	}}}
}

// order asks for the job of a number.
func (a *asker) order(ctx context.Context, address string, n int) (id string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("http://%s/work/%d", address, n), bytes.NewReader([]byte(`{}`)))
	if err != nil {
		return "", err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "request-"+strconv.Itoa(n))
	status, body, err := a.do(request)
	if err != nil {
		return "", err
	}
	var told struct{ ID string }
	if status != http.StatusAccepted {
		return "", fmt.Errorf("%d: %s", status, body)
	}
	if err := json.Unmarshal(body, &told); err != nil || told.ID == "" {
		return "", fmt.Errorf("no id in %s: %w", body, err)
	}
	return told.ID, nil
}

func (a *asker) do(request *http.Request) (int, []byte, error) {
	response, err := a.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, body, err
}

// look asks how a job is, and for its result, of whichever node answers. A job that is not there has the status "lost".
func (a *asker) look(ctx context.Context, nodes []*jobsNode, id string) (seen jobSeen, found bool) {
	for _, n := range nodes {
		if seen, err := a.lookAt(ctx, n.address, id); err == nil {
			return seen, true
		}
	}
	return jobSeen{}, false
}

var errNotAnswered = errors.New("it is not answered")

func (a *asker) lookAt(ctx context.Context, address, id string) (seen jobSeen, err error) {
	url := "http://" + address + "/_jobs/" + id
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return seen, err
	}
	response, err := a.client.Do(request)
	if err != nil {
		return seen, err
	}
	defer response.Body.Close()
	var told struct{ Status string }
	if response.StatusCode == http.StatusNotFound {
		return jobSeen{status: "lost"}, nil
	}
	if response.StatusCode != http.StatusOK {
		return seen, errNotAnswered
	}
	if err := json.NewDecoder(response.Body).Decode(&told); err != nil {
		return seen, err
	}
	seen = jobSeen{status: told.Status, version: response.Header.Get("ETag")}
	if told.Status != "succeeded" && told.Status != "failed" {
		return seen, nil
	}
	if request, err = http.NewRequestWithContext(ctx, http.MethodGet, url+"/result", nil); err != nil {
		return seen, err
	}
	status, body, err := a.do(request)
	if err != nil || status >= 500 && told.Status == "succeeded" {
		return seen, errNotAnswered
	}
	seen.result = string(body)
	return seen, nil
}
