package manifests

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// compose reads the compose file, which is held to the schema on the way.
func compose(ctx context.Context, content []byte) (*types.Project, error) {
	dir, err := filepath.Abs(deploy)
	if err != nil {
		return nil, err
	}
	return loader.LoadWithContext(ctx, types.ConfigDetails{
		WorkingDir: dir, ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(dir, "compose.yaml"), Content: content}},
		Environment: types.Mapping{},
	})
}

func composeFile(t *testing.T) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(deploy, "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// mounts lays out what a service sees of the files that are mounted, below a folder.
func mounts(t *testing.T, s types.ServiceConfig) (root string) {
	t.Helper()
	root = t.TempDir()
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		info, err := os.Stat(v.Source)
		if err != nil {
			t.Errorf("%s mounts what is not there: %v", s.Name, err)
			continue
		}
		if !v.ReadOnly {
			t.Errorf("%s may write to %s", s.Name, v.Source)
		}
		to := filepath.Join(root, v.Target)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			err = os.CopyFS(to, os.DirFS(v.Source))
		} else {
			var content []byte
			if content, err = os.ReadFile(v.Source); err == nil {
				err = os.WriteFile(to, content, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// TestCompose follows the compose file to what it mounts, and has the programs that read the files check them.
func TestCompose(t *testing.T) {
	t.Parallel()
	project, err := compose(t.Context(), composeFile(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"collector", "grafana", "nginx", "node1", "node2", "node3", "postgres-a", "postgres-a-replica", "postgres-b",
		"postgres-b-replica", "prometheus", "rabbitmq", "redis", "worker"}
	if got := slices.Sorted(maps.Keys(project.Services)); !slices.Equal(got, want) {
		t.Errorf("the services are %v; want %v", got, want)
	}
	roots := map[string]string{}
	for name, s := range project.Services {
		roots[name] = mounts(t, s)
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("%s is reached from outside this machine: %+v", name, p)
			}
		}
		if s.Build != nil {
			if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
				t.Error(err)
			}
		}
	}
	for _, name := range []string{"node1", "node2", "node3", "worker"} {
		s := project.Services[name]
		var env []string
		for key, value := range s.Environment {
			env = append(env, key+"="+*value)
			for host := range strings.FieldsFuncSeq(*value, func(r rune) bool { return strings.ContainsRune("@,/", r) }) {
				if host, _, found := strings.Cut(host, ":"); found && strings.HasPrefix(host, "postgres-") {
					if _, there := project.Services[host]; !there {
						t.Errorf("%s: %s names the host %s, which there is not", name, key, host)
					}
				}
			}
		}
		sluice(t, env, "check", filepath.Join(roots[name], s.Command[len(s.Command)-1]))
	}

	conf := filepath.Join(roots["nginx"], "etc/nginx/nginx.conf")
	content, err := os.ReadFile(conf)
	if err != nil {
		t.Fatal(err)
	}
	// The names of the nodes mean something within the network of the services only.
	local := strings.NewReplacer("node1:", "127.0.0.1:", "node2:", "127.0.0.1:", "node3:", "127.0.0.1:", "/tmp/nginx.pid", filepath.Join(roots["nginx"], "pid"))
	if err := os.WriteFile(conf, []byte(local.Replace(string(content))), 0o600); err != nil {
		t.Fatal(err)
	}
	checked(t, "nginx", "-t", "-e", "stderr", "-p", roots["nginx"], "-c", conf)
	checked(t, "promtool", "check", "config", filepath.Join(roots["prometheus"], "etc/prometheus/prometheus.yml"))
	checked(t, "bash", "-n", filepath.Join(deploy, "compose/postgres-primary.sh"))
	checked(t, "bash", "-n", filepath.Join(deploy, "compose/postgres-replica.sh"))
}

// TestComposeBroken breaks the compose file: it must be refused.
func TestComposeBroken(t *testing.T) {
	t.Parallel()
	whole := string(composeFile(t))
	for _, b := range [][2]string{
		{"read_only: true", "readonly: true"},
		{"depends_on: [prometheus]", "depends_on: [prometeus]"},
		{"condition: service_healthy", "condition: healthy"},
		{"image: nginx:1.29", "image: [nginx]"},
		{"volumes:", "volume:"},
	} {
		if !strings.Contains(whole, b[0]) {
			t.Errorf("there is no %q to break", b[0])
		} else if _, err := compose(t.Context(), []byte(strings.Replace(whole, b[0], b[1], 1))); err == nil {
			t.Errorf("%q in the place of %q is taken", b[1], b[0])
		}
	}
}

// checked runs a program that must find nothing wrong. Where it is not installed that part is left out, but in CI.
func checked(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + program)
	}
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Error(err)
		return
	case err != nil:
		t.Logf("left out: %v", err)
		return
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", program, args, err, out)
	}
}
