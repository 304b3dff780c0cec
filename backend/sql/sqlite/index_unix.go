//go:build linux || darwin

package sqlite

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// walIndex is the index of the write-ahead log, which all connections to the file share, as memory to look at
// (https://sqlite.org/walformat.html, section 2).
type walIndex struct{ memory []byte }

// walHeader is the index's header. Each commit changes it: it counts them, and holds the log's length, salt and checksum.
type walHeader [6]uint64

const (
	indexSize        = 32 << 10 // the first part of the file, which is there as soon as there is a log
	maxFrameOffset   = 16
	backfilledOffset = 96
)

// openIndex maps the index of a file that is open; nil if it can not.
func openIndex(path string) *walIndex {
	f, err := os.Open(path + "-shm")
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || info.Size() < indexSize {
		return nil
	}
	memory, err := unix.Mmap(int(f.Fd()), 0, indexSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	return &walIndex{memory}
}

// header is the header of the moment. While another process writes it, it is one that no commit has: then it equals
// neither the one before nor the one after.
func (w *walIndex) header() (h walHeader) {
	for i := range h {
		h[i] = atomic.LoadUint64((*uint64)(unsafe.Pointer(&w.memory[8*i])))
	}
	return h
}

// short says whether the log is short, or all its pages are in the file already.
func (w *walIndex) short() bool {
	frames := atomic.LoadUint32((*uint32)(unsafe.Pointer(&w.memory[maxFrameOffset])))
	return frames < keepFrames || atomic.LoadUint32((*uint32)(unsafe.Pointer(&w.memory[backfilledOffset]))) >= frames
}

func (w *walIndex) close() {
	_ = unix.Munmap(w.memory) // its only error is of memory that was not mapped
}
