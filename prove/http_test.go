package main

import (
	"bytes"
	"testing"
)

func TestH2Report(t *testing.T) {
	t.Parallel()
	const text = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="3.1. DATA" package="generic/3.1" tests="2">
    <testcase package="generic/3.1" classname="Sends a DATA frame" time="0.1"></testcase>
    <testcase package="generic/3.1" classname="Sends two" time="0.1"><failure>Expect: x</failure></testcase>
  </testsuite>
  <testsuite name="6.5" package="http2/6.5" tests="1">
    <testcase package="http2/6.5" classname="Sends SETTINGS" time="0.1"><skipped></skipped></testcase>
  </testsuite>
</testsuites>`
	r, err := readH2Report([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if r.cases != 3 || r.passed() != 1 || !r.failed["generic/3.1: Sends two"] || !r.failed["http2/6.5: Sends SETTINGS"] {
		t.Errorf("%+v", r)
	}
	if _, err := readH2Report([]byte("no xml")); err == nil {
		t.Error("read what is no report")
	}
}

// TestFrame makes the frames of RFC 6455, section 5.7.
func TestFrame(t *testing.T) {
	t.Parallel()
	if got := frame(finBit|textFrame, false, []byte("Hello")); string(got) != "\x81\x05Hello" {
		t.Errorf("%q", got)
	}
	masked := frame(finBit|textFrame, true, []byte("Hello"))
	for i := range 5 {
		masked[6+i] ^= masked[2+i%4]
	}
	if string(masked[:2]) != "\x81\x85" || string(masked[6:]) != "Hello" {
		t.Errorf("%q", masked)
	}
	if got := frame(finBit|binaryFrame, false, make([]byte, 256)); !bytes.HasPrefix(got, []byte{0x82, 0x7e, 1, 0}) {
		t.Errorf("%q", got[:4])
	}
	if got := frame(finBit|binaryFrame, false, make([]byte, 65536)); !bytes.HasPrefix(got, []byte{0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0}) {
		t.Errorf("%q", got[:10])
	}
}
