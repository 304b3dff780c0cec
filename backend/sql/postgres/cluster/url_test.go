package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice/sluicetest/servers"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for url, want := range map[string][]string{
		"postgres://u:p@a/db":                                   {"a:5432"},
		"postgresql://u@a:1,b:2,[::1]:3,[::2]/db":               {"a:1", "b:2", "[::1]:3", "[::2]:5432"},
		"postgres://u:p%40%2F%23@a,b:7/db?sslmode=disable":      {"a:5432", "b:7"},
		"postgres://u@/db?host=/run/postgresql&port=7":          {"/run/postgresql/.s.PGSQL.7"},
		"postgres://u@%2Frun%2Fpostgresql/db":                   {"/run/postgresql/.s.PGSQL.5432"},
		"postgres://u@a/db?application_name=x&options=-c%20a=b": {"a:5432"},
		"postgres://u:it's\\@a/db?sslmode=require":              {"a:5432"},
	} {
		got, err := Parse(url, "")
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		var addresses []string
		for _, s := range got {
			addresses = append(addresses, s.Address)
		}
		if strings.Join(addresses, " ") != strings.Join(want, " ") {
			t.Errorf("%s: got %v; want %v", url, addresses, want)
		}
	}
}

func TestParseParts(t *testing.T) {
	t.Parallel()
	got, err := Parse(`postgres://u%20x:p%40%2F'\@a,b/d%20b?options=-c%20a=b&connect_timeout=3`, "")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"a", "b"} {
		c := got[i].config
		if c.Host != want || c.User != "u x" || c.Password != `p@/'\` || c.Database != "d b" || c.ConnectTimeout.Seconds() != 3 ||
			len(c.RuntimeParams) != 1 || c.RuntimeParams["options"] != "-c a=b" {
			t.Errorf("got %q %q %q %q %v %v", c.Host, c.User, c.Password, c.Database, c.ConnectTimeout, c.RuntimeParams)
		}
		if c.TLSConfig == nil || len(c.Fallbacks) != 1 || c.Fallbacks[0].Host != want {
			t.Errorf("sslmode is not libpq's prefer, on one host: %v", c.Fallbacks)
		}
	}
}

// TestParseTLS holds that certificates are read from files beside the config.
func TestParseTLS(t *testing.T) {
	t.Parallel()
	a := servers.NewAuthority(t, "root")
	client := a.Issue(servers.Leaf{Client: true})
	dir := t.TempDir()
	for name, text := range map[string][]byte{"ca.pem": a.CertPEM, "c.pem": client.CertPEM, "c.key": client.KeyPEM} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Parse("postgres://u@a.example/db?sslmode=verify-full&sslrootcert=ca.pem&sslcert=c.pem&sslkey=c.key", dir)
	if err != nil {
		t.Fatal(err)
	}
	c := got[0].config
	if c.TLSConfig.ServerName != "a.example" || c.TLSConfig.InsecureSkipVerify || len(c.TLSConfig.Certificates) != 1 || len(c.Fallbacks) != 0 {
		t.Error("the certificates are not used")
	}
}

// TestParseEnvironment holds that nothing is taken from where libpq would look.
func TestParseEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"PGHOST": "evil", "PGPORT": "1", "PGDATABASE": "evil", "PGUSER": "evil", "PGPASSWORD": "evil", "PGPASSFILE": "/evil",
		"PGAPPNAME": "evil", "PGCONNECT_TIMEOUT": "99", "PGSSLMODE": "verify-full", "PGSSLKEY": "/evil", "PGSSLCERT": "/evil",
		"PGSSLCERTMODE": "require", "PGSSLSNI": "0", "PGSSLROOTCERT": "/evil", "PGSSLPASSWORD": "evil", "PGSSLNEGOTIATION": "direct",
		"PGTARGETSESSIONATTRS": "standby", "PGTZ": "evil", "PGOPTIONS": "-c evil=1", "PGMINPROTOCOLVERSION": "3.2",
		"PGMAXPROTOCOLVERSION": "3.2", "PGCHANNELBINDING": "require", "PGREQUIREAUTH": "md5", "PGSERVICEFILE": "/evil",
	} {
		t.Setenv(name, value)
	}
	got, err := Parse("postgres://u@a/db", "")
	if err != nil {
		t.Fatal(err)
	}
	c := got[0].config
	if c.Host != "a" || c.Port != 5432 || c.User != "u" || c.Password != "" || c.Database != "db" || c.ConnectTimeout != 0 ||
		len(c.RuntimeParams) != 0 || c.ValidateConnect != nil || c.ChannelBinding != "prefer" || c.RequireAuth != "" ||
		c.SSLNegotiation != "postgres" || c.SSLCertMode != "allow" || c.MaxProtocolVersion != "3.0" || len(c.Fallbacks) != 1 ||
		c.TLSConfig == nil || c.TLSConfig.ServerName != "a" || len(c.TLSConfig.Certificates) != 0 {
		t.Errorf("something came from the environment: %+v", c)
	}
	t.Setenv("PGSERVICE", "evil")
	if _, err := Parse("postgres://u@a/db", ""); err == nil || !strings.Contains(err.Error(), "PGSERVICE") {
		t.Errorf("got %v; want to be told of PGSERVICE", err)
	}
}

// secret is a password, and every error must do without it.
const secret = "s3cr3t"

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"mysql://u:s3cr3t@a/db":                                        "it is no address of PostgreSQL",
		"host=a password=s3cr3t":                                       "it is no address of PostgreSQL",
		"postgres://a/db":                                              "it names no user",
		"postgres://:s3cr3t@a/db":                                      "it names no user",
		"postgres://u:s3cr3t@a":                                        "it names no database",
		"postgres://u:s3cr3t@/db":                                      "a host is missing",
		"postgres://u:s3cr3t@a,,b/db":                                  "a host is missing",
		"postgres://u:s3cr3t@a:x/db":                                   "a port is not a number",
		"postgres://u:s3cr3t@a:0/db":                                   "a port is not a number",
		"postgres://u:s3cr3t@a:70000/db":                               "a port is not a number",
		"postgres://u:s3cr3t@::1/db":                                   "an IPv6 address stands in [ ]",
		"postgres://u:s3cr3t@[x]/db":                                   "no IPv6 address",
		"postgres://u:s3cr3t@a,a:5432/db":                              "a:5432 is named twice",
		"postgres://u:s3c/r3t@a/db":                                    "written %2F",
		"postgres://u:s3cr3t#@a/db":                                    "written %23",
		"postgres://u:s3cr3t%@a/db":                                    "the password holds a %",
		"postgres://u:s3cr3t@a/db?sslmod=require":                      "unknown parameter sslmod; did you mean sslmode?",
		"postgres://u:s3cr3t@a/db?s3cr3t=1":                            "unknown parameter; want one of application_name",
		"postgres://u:s3cr3t@a/db?sslmode=on":                          `sslmode is "on"; want one of disable`,
		"postgres://u:s3cr3t@a/db?sslmode":                             "has no =",
		"postgres://u:s3cr3t@a/db?sslmode=require&sslmode=disable":     "sslmode is given twice",
		"postgres://u:s3cr3t@a/db?target_session_attrs=read-write":     "is found out",
		"postgres://u@a/db?password=s3cr3t":                            "password stands behind the ?",
		"postgres://u:s3cr3t@a/db?host=b":                              "want one of them",
		"postgres://u:s3cr3t@a/db?port=1":                              "behind its host",
		"postgres://u:s3cr3t@a/db?connect_timeout=1s":                  "want a number of seconds",
		"postgres://u:s3cr3t@a/db?sslrootcert=ca.pem":                  "which verifies nothing; want sslmode=verify-full",
		"postgres://u:s3cr3t@a/db?sslcert=c.pem":                       "want both or none",
		"postgres://u:s3cr3t@a/db?sslmode=verify-ca&sslrootcert=x.pem": "no such file",
		"postgres://u:s3cr3t@a/db?channel_binding=maybe":               "a parameter has a value that it can not have",
	} {
		_, err := Parse(url, "/nowhere")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v; want %q", url, err, want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error holds the password: %v", url, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("postgres://u:p@a:1,b/db?sslmode=disable")
	f.Add("postgres://u@[::1]:2/db?host=%2Ftmp&options=-c%20a")
	f.Add("postgres://u:p@/db?host=a&port=1")
	f.Fuzz(func(t *testing.T, url string) {
		if strings.Contains(url, "cert=") || strings.Contains(url, "sslkey=") {
			t.Skip("it may name a file that is there")
		}
		got, err := Parse(url, "/nowhere")
		if (err == nil) == (len(got) == 0) {
			t.Fatalf("%d servers and the error %v", len(got), err)
		}
		for _, s := range got {
			if s.config.User == "" || s.config.Database == "" || s.config.Port == 0 || s.config.Host == "" {
				t.Fatalf("something is missing: %+v", s.config)
			}
		}
	})
}
