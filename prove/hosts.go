package main

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// hits are what reached the hosts of an upstream. Its methods may be called at once.
type hits struct {
	mu         sync.Mutex // guards what follows
	idempotent []int      // by phase
	others     map[string]int
}

func newHits(phases int) *hits {
	return &hits{idempotent: make([]int, phases), others: map[string]int{}}
}

// add notes a request of a phase; name is its own.
func (h *hits) add(phase int, method, name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if method == "POST" {
		h.others[name]++
	} else if phase >= 0 && phase < len(h.idempotent) {
		h.idempotent[phase]++
	}
}

// doubled is how many requests that are not idempotent came more than once.
func (h *hits) doubled() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, times := range h.others {
		if times > 1 {
			n++
		}
	}
	return n
}

// host is one host of an upstream, within this process, to which harm can be done.
type host struct {
	hits    *hits
	address string
	delay   atomic.Int64 // how long each answer takes
	failing atomic.Bool
	server  *http.Server // nil while it is killed
	done    chan struct{}
}

func startHost(h *hits) (*host, error) {
	o := &host{hits: h, address: "127.0.0.1:0"}
	return o, o.start()
}

// start has it listen where it did before, if it did.
func (h *host) start() error {
	listener, err := net.Listen("tcp", h.address)
	if err != nil {
		return err
	}
	h.address, h.done = listener.Addr().String(), make(chan struct{})
	h.server = &http.Server{Handler: h, IdleTimeout: time.Hour}
	server, done := h.server, h.done
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			progress("a host ended: " + err.Error())
		}
	}()
	return nil
}

// kill closes its socket and cuts off what is under way, as the end of a process does.
func (h *host) kill() {
	if h.server != nil {
		h.server.Close()
		<-h.done
		h.server = nil
	}
}

// ServeHTTP answers /item/PHASE/NAME. Its health is always well: that it fails must be seen by its answers.
func (h *host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number, name, found := strings.Cut(strings.TrimPrefix(r.URL.Path, "/item/"), "/")
	phase, err := strconv.Atoi(number)
	if !found || err != nil {
		return
	}
	h.hits.add(phase, r.Method, name)
	if _, err := io.Copy(io.Discard, r.Body); err != nil || !rest(r.Context(), time.Duration(h.delay.Load())) {
		return
	}
	if h.failing.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	io.WriteString(w, name)
}
