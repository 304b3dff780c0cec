package servers

// FreePort is a port of 127.0.0.1 on which nobody listens, below those that the system gives to clients, for a program that
// must find it again after a restart. Another program may still take it first.
func FreePort(o Owner) int {
	o.Helper()
	port, err := freePort()
	if err != nil {
		o.Fatalf("%v", err)
	}
	return port
}
