package servers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	r := StartRedis(t, RedisOptions{Password: "sesame", Persist: true})
	r.Do("SET", "a", "1")
	if want := fmt.Sprintf("redis://default:sesame@127.0.0.1:%d/0", r.Port()); r.URL() != want {
		t.Errorf("URL is %s, want %s", r.URL(), want)
	}
	c, err := dialRESP("tcp", r.Address(), time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.do("GET", "a"); err == nil || !strings.HasPrefix(err.Error(), "NOAUTH") {
		t.Errorf("without the password: %v", err)
	}
	if got, err := c.do("AUTH", "sesame"); err != nil || got[0] != "OK" {
		t.Errorf("with the password: %v %v", got, err)
	}
	r.Freeze()
	answered := make(chan error, 1)
	go func() {
		_, err := c.do("PING")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Fatalf("a frozen server answers: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	r.Thaw()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	r.Kill()
	if _, err := r.Run("PING"); err == nil {
		t.Error("a killed server answers")
	}
	r.Restart()
	if got := r.Do("GET", "a"); got != "1" {
		t.Errorf("after a kill there is %q, want 1", got)
	}
	r.FlushAll()
	if got := r.Do("DBSIZE"); got != "0" {
		t.Errorf("after a flush there are %s keys", got)
	}
}

func TestRedisTLS(t *testing.T) {
	t.Parallel()
	a := NewAuthority(t, "root")
	r := StartRedis(t, RedisOptions{TLS: a.Issue(Leaf{Server: true}), ClientCA: a.CertFile})
	for _, certificates := range [][]tls.Certificate{nil, {a.Issue(Leaf{CommonName: "node", Client: true}).TLS()}} {
		c, err := tls.Dial("tcp", r.Address(), &tls.Config{RootCAs: a.Pool(), ServerName: "localhost", Certificates: certificates})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "PING\r\n")
		answer, err := io.ReadAll(io.LimitReader(c, 7))
		if known := certificates != nil; known != (err == nil && string(answer) == "+PONG\r\n") {
			t.Errorf("with %d certificates: %q %v", len(certificates), answer, err)
		}
		c.Close()
	}
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := StartRedisCluster(t, RedisOptions{})
	served := 0
	for i := range 30 {
		key := fmt.Sprint("key", i)
		for _, r := range nodes {
			if _, err := r.Run("SET", key, "1"); err == nil {
				served++
			} else if !strings.HasPrefix(err.Error(), "MOVED") {
				t.Error(err)
			}
		}
	}
	if served != 30 {
		t.Errorf("%d of 30 keys have one node that serves them", served)
	}
	nodes[1].Kill()
	err := poll(patience, func() (bool, error) {
		info, err := nodes[0].Run("CLUSTER", "INFO")
		return err == nil && strings.Contains(info[0], "cluster_state:fail"), err
	})
	if err != nil {
		t.Fatalf("the loss of a node: %v", err)
	}
	nodes[1].Restart()
	err = poll(patience, func() (bool, error) {
		info, err := nodes[0].Run("CLUSTER", "INFO")
		return err == nil && strings.Contains(info[0], "cluster_state:ok"), err
	})
	if err != nil {
		t.Errorf("its return: %v", err)
	}
}

func TestNginx(t *testing.T) {
	t.Parallel()
	n := StartNginx(t, `server { listen {address}; root {dir}; location /hello { return 200 "hello"; } }`)
	if err := os.WriteFile(filepath.Join(n.Folder(), "file"), []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.Kill()
	if _, err := fetch(t, n.URL()+"/hello"); err == nil {
		t.Error("a killed server answers")
	}
	n.Restart()
	for path, want := range map[string]string{"/hello": "hello", "/file": "from a file"} {
		if got, err := fetch(t, n.URL()+path); got != want || err != nil {
			t.Errorf("%s is %q, %v; want %q", path, got, err, want)
		}
	}
}

func fetch(t *testing.T, url string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return "", err
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func TestAuthority(t *testing.T) {
	t.Parallel()
	root := NewAuthority(t, "root")
	middle := root.Intermediate("middle")
	c := middle.Issue(Leaf{CommonName: "node", DNS: []string{"node.test"}, IPs: []string{"10.0.0.1"}, Client: true,
		URIs: []string{"spiffe://test/node"}, Emails: []string{"n@node.test"}, Unit: "u", Organization: "o"})
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil || len(pair.Certificate) != 2 || len(c.TLS().Certificate) != 2 {
		t.Fatalf("the files hold %d certificates, want the leaf and the one above: %v", len(pair.Certificate), err)
	}
	between := x509.NewCertPool()
	between.AddCert(middle.Leaf)
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: root.Pool(), Intermediates: between, DNSName: "node.test",
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Error(err)
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: root.Pool(), Intermediates: between}); err == nil {
		t.Error("a client's certificate is good for servers")
	}
	if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: NewAuthority(t, "root").Pool(), Intermediates: between,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
		t.Error("another authority of the same name has signed it")
	}
	text, file := middle.RevocationList(c)
	block, _ := pem.Decode(text)
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := list.CheckSignatureFrom(middle.Leaf); err != nil || list.RevokedCertificateEntries[0].SerialNumber.Cmp(c.Leaf.SerialNumber) != 0 {
		t.Errorf("the revocation list: %v", err)
	}
	if onDisk, err := os.ReadFile(file); err != nil || string(onDisk) != string(text) {
		t.Errorf("the list's file: %v", err)
	}
}

// TestEnd holds that nothing is left when a function is over, however it ends.
func TestEnd(t *testing.T) {
	t.Parallel()
	var folders []string
	var pids []int
	note := func(s *server) {
		folders = append(folders, s.Folder())
		pids = append(append(pids, s.process.cmd.Process.Pid), children(s.process.cmd.Process.Pid)...)
	}
	start := func(o Owner) {
		p, r, n := StartPostgres(o, Options{}), StartRedis(o, RedisOptions{}), StartNginx(o, `server { listen {address}; }`)
		note(&p.server)
		note(&r.server)
		note(&n.server)
		p.Freeze()
		r.Freeze()
		n.Freeze()
	}
	if err := Within(t.Output(), func(o Owner) error { start(o); return nil }); err != nil {
		t.Fatal(err)
	}
	if err := Within(t.Output(), func(o Owner) error { start(o); o.Fatalf("it is %s", "over"); return nil }); err == nil || err.Error() != "it is over" {
		t.Errorf("a fatal end has the error %v", err)
	}
	if err := Within(t.Output(), func(o Owner) error { o.Skipf("no %s", "luck"); return nil }); !errors.Is(err, ErrSkipped) {
		t.Errorf("a skipped one has the error %v", err)
	}
	func() {
		defer func() {
			if e := recover(); e != "a fall" {
				t.Errorf("recovered %v", e)
			}
		}()
		Within(t.Output(), func(o Owner) error { start(o); panic("a fall") })
	}()
	gone(t, pids, folders)
	if len(pids) < 20 {
		t.Errorf("saw %d processes only", len(pids))
	}
}

func gone(t *testing.T, pids []int, folders []string) {
	t.Helper()
	for _, pid := range pids {
		if err := poll(patience, func() (bool, error) { return !alive(pid), nil }); err != nil {
			t.Errorf("process %d is still there: %v", pid, err)
		}
	}
	for _, folder := range folders {
		if _, err := os.Stat(folder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", folder, err)
		}
	}
}

// TestDeath kills a process that owns frozen and running servers, and looks for what it leaves.
func TestDeath(t *testing.T) {
	t.Parallel()
	const child = "SERVERS_TEST_CHILD"
	if os.Getenv(child) != "" {
		p, r, n := StartPostgres(t, Options{}), StartRedis(t, RedisOptions{}), StartNginx(t, `server { listen {address}; }`)
		StartPostgres(t, Options{}).Freeze()
		StartRedis(t, RedisOptions{}).Freeze()
		fmt.Println("folders", p.Folder(), r.Folder(), n.Folder())
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDeath$")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var folders [3]string
	if _, err := fmt.Fscanln(out, new(string), &folders[0], &folders[1], &folders[2]); err != nil {
		t.Fatal(err)
	}
	pids := []int{cmd.Process.Pid}
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children(pids[i])...)
	}
	cmd.Process.Kill()
	cmd.Wait()
	gone(t, pids, nil)
	if len(pids) < 15 {
		t.Errorf("saw %d processes only", len(pids))
	}
	sweep(disk())
	sweep(memory())
	gone(t, nil, folders[:])
}
