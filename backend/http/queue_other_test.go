//go:build !unix

package http

import "net"

func shrinkQueue(net.Listener) bool { return false }
