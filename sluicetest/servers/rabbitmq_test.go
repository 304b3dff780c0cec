package servers

import (
	"net"
	"testing"
)

func TestRabbitMQ(t *testing.T) {
	t.Parallel()
	r := StartRabbitMQ(t, RabbitMQOptions{User: "node", Password: `p#?@/:"\%`})
	if want := `amqp://node:p%23%3F%40%2F%3A%22%5C%25@` + r.Address() + "/"; r.URL() != want {
		t.Errorf("URL is %s, want %s", r.URL(), want)
	}
	r.Stop()
	if c, err := net.Dial("tcp", r.Address()); err == nil {
		c.Close()
		t.Error("a stopped server takes connections")
	}
	r.Restart()
	r.Kill()
	r.Empty()
	if !speaksAMQP(r.Port(), false) {
		t.Error("an emptied server does not answer")
	}
}
