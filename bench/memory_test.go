package main

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestBytes(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newBytes())
	defer server.Close()
	for _, size := range []int64{0, 1, 1 << 20} {
		if err := upload(t.Context(), server.URL, size); err != nil {
			t.Errorf("%d up: %v", size, err)
		}
		if err := download(t.Context(), server.URL, size); err != nil {
			t.Errorf("%d down: %v", size, err)
		}
	}
	if err := download(t.Context(), server.URL, -1); err == nil {
		t.Error("less than nothing came down")
	}
}

func TestHold(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(newBytes())
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	conn, err := holdOne(t.Context(), address, bytesPath+"17")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := holdOne(t.Context(), address, "/nothing"); err == nil {
		t.Error("a connection is held on which 404 came")
	}
	conn.SetReadDeadline(time.Now())
	if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("the connection is not open and idle: %v", err)
	}
}
