package manifests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// program is the path of sluice, compiled once.
var program = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs(filepath.Join(scratch, "sluice"))
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, "./cmd/sluice")
	build.Dir, build.Stderr = "../..", os.Stderr
	return path, build.Run()
})

// sluice runs the program with nothing in its environment but env.
func sluice(t *testing.T, env []string, args ...string) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command(path, args...)
	run.Env = env
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("sluice %v: %v\n%s", args, err, out)
	}
}

// TestConfig lays the files of the ConfigMap out as the pods see them, and checks the config with the environment that
// each container has.
func TestConfig(t *testing.T) {
	t.Parallel()
	c := load(t)
	for _, d := range c.deployments {
		pod := d.Spec.Template.Spec
		root := t.TempDir()
		volume := pod.Volumes[0].ConfigMap
		data := c.configs[volume.Name].Data
		for _, item := range volume.Items {
			content, there := data[item.Key]
			if !there {
				t.Fatalf("%s: the ConfigMap %s has no %s", d.Name, volume.Name, item.Key)
			}
			path := filepath.Join(root, item.Path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if len(volume.Items) != len(data) {
			t.Errorf("%s: of the files of the ConfigMap %d are mounted; want %d", d.Name, len(volume.Items), len(data))
		}
		for _, container := range append(pod.InitContainers, pod.Containers...) {
			file := container.Args[len(container.Args)-1]
			inside, found := strings.CutPrefix(file, container.VolumeMounts[0].MountPath+"/")
			if !found {
				t.Errorf("%s: %s reads %s, which is not mounted", d.Name, container.Name, file)
			}
			sluice(t, environment(c, container), "check", filepath.Join(root, inside))
		}
		graceful(t, d.Name, pod, data["sluice.yaml"])
	}
}

// environment is what a container's variables are, with the secret's example.
func environment(c *cluster, container corev1.Container) (env []string) {
	for _, e := range container.Env {
		value := e.Value
		if e.ValueFrom != nil {
			value = c.secrets[e.ValueFrom.SecretKeyRef.Name].StringData[e.ValueFrom.SecretKeyRef.Key]
		}
		env = append(env, e.Name+"="+value)
	}
	return env
}

// graceful wants a pod's grace to be longer than the drain of its config, and the delay longer than the probe takes to see
// it.
func graceful(t *testing.T, name string, pod corev1.PodSpec, config string) {
	t.Helper()
	var file struct {
		Listen struct {
			HTTP  string
			Admin struct{ Address string }
			Drain struct{ Delay, Timeout string }
		}
		Nodes int
	}
	if err := yaml.Unmarshal([]byte(config), &file); err != nil {
		t.Fatal(err)
	}
	delay, err := time.ParseDuration(file.Listen.Drain.Delay)
	if err != nil {
		t.Fatal(err)
	}
	timeout, err := time.ParseDuration(file.Listen.Drain.Timeout)
	if err != nil {
		t.Fatal(err)
	}
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < delay+timeout+5*time.Second {
		t.Errorf("%s: the grace of %v is too short for a drain of %v and %v", name, grace, delay, timeout)
	}
	probe := pod.Containers[0].ReadinessProbe
	if seen := time.Duration(probe.PeriodSeconds*probe.FailureThreshold) * time.Second; delay < seen {
		t.Errorf("%s: the delay of %v is over before the probe has seen it, after %v", name, delay, seen)
	}
	if file.Nodes < 2 {
		t.Errorf("the config is for %d nodes", file.Nodes)
	}
	var numbers []string
	for _, p := range pod.Containers[0].Ports {
		numbers = append(numbers, fmt.Sprintf(":%d", p.ContainerPort))
	}
	if !slices.Contains(numbers, file.Listen.Admin.Address) {
		t.Errorf("%s: the config's admin listens on %s, and the pod has %v", name, file.Listen.Admin.Address, numbers)
	}
}
