//go:build linux && !race

package nowait

import (
	"syscall"
	"unsafe"
)

// These do not tell Go's scheduler of the call, as syscall.Read and syscall.Write do: it takes no longer than the kernel
// needs to copy and to hand on what is written. Telling costs time, and a thread that the kernel has put aside within a
// call that was told would lose its place to another, which has to be woken. recv and send take less than read and write,
// which go through what files need.

func read(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT, 0, 0)
	return int(n), err
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall6(syscall.SYS_SENDTO, fd, uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}
