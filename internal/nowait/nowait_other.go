//go:build !unix

package nowait

import "errors"

const works = false

// Read would read what a socket has without waiting.
func Read(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Write would write what a socket takes without waiting.
func Write(uintptr, []byte) (int, error) { return 0, errors.ErrUnsupported }
