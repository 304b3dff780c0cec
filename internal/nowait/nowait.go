// Package nowait reads and writes sockets at once, within a call of a syscall.RawConn, which has Go's runtime wait for them.
package nowait

// Works tells that one call of a RawConn's Read can wait for its socket again and again, and that Read and Write work.
const Works = works
