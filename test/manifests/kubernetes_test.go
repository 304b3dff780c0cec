package manifests

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/yannh/kubeconform/pkg/validator"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const deploy = "../../deploy"

// scratch is a folder for what is made once for all tests.
var scratch string

func TestMain(m *testing.M) {
	var err error
	if scratch, err = os.MkdirTemp("", "sluice-manifests-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(scratch); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// schemas is the validator, made once.
var schemas = sync.OnceValues(func() (validator.Validator, error) {
	dir, err := os.MkdirTemp(scratch, "schemas-")
	if err != nil {
		return nil, err
	}
	if err := writeSchemas(dir); err != nil {
		return nil, err
	}
	return validator.New([]string{filepath.Join(dir, "{{ .Group }}-{{ .ResourceAPIVersion }}-{{ .ResourceKind }}.json")},
		validator.Opts{KubernetesVersion: "1.37.2", Strict: true})
})

// faults are what the schemas say against manifests.
func faults(t *testing.T, name string, content []byte) (all []string) {
	t.Helper()
	v, err := schemas()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range v.Validate(name, io.NopCloser(bytes.NewReader(content))) {
		switch r.Status {
		case validator.Valid, validator.Empty:
		default:
			all = append(all, fmt.Sprintf("%s: %v %v", name, r.Err, r.ValidationErrors))
		}
	}
	return all
}

// render is what `kubectl apply -k` would send.
func render(t *testing.T, dir string) []byte {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	content, err := made.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// rendered is all of it: the base, what the Prometheus operator takes, and the example of the secret.
func rendered(t *testing.T) []byte {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(deploy, "kubernetes/secret.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Join([][]byte{render(t, filepath.Join(deploy, "kubernetes")), render(t, filepath.Join(deploy, "kubernetes/monitoring")), secret}, []byte("\n---\n"))
}

func TestSchemas(t *testing.T) {
	t.Parallel()
	for _, fault := range faults(t, "deploy/kubernetes", rendered(t)) {
		t.Error(fault)
	}
	files, err := filepath.Glob(filepath.Join(deploy, "kubernetes/*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		for _, fault := range faults(t, file, content) {
			t.Error(fault)
		}
	}
}

// TestBroken breaks manifests: each must be refused.
func TestBroken(t *testing.T) {
	t.Parallel()
	whole := string(rendered(t))
	for _, b := range [][2]string{
		{"replicas: 3", "replica: 3"},
		{"replicas: 3", `replicas: "three"`},
		{"apiVersion: apps/v1", "apiVersion: apps/v1beta1"},
		{"kind: PodDisruptionBudget", "kind: PodDisruptionBudgets"},
		{"readinessProbe:", "readynessProbe:"},
		{"averageUtilization: 70", "averageUtilisation: 70"},
		{"containerPort: 9901", "containerPort: admin"},
		{"podSelector:", "podSelectors:"},
		{"scrapeTimeout: 5s", "scrapeTimeout: 5 seconds"},
		{"jobLabel:", "labelOfJob:"},
		{"maxSkew: 1", "maxSkew: {}"},
		{"readOnlyRootFilesystem: true", "readonlyRootFilesystem: true"},
	} {
		if !strings.Contains(whole, b[0]) {
			t.Errorf("there is no %q to break", b[0])
			continue
		}
		if faults(t, "broken", []byte(strings.Replace(whole, b[0], b[1], 1))) == nil {
			t.Errorf("%q in the place of %q is taken", b[1], b[0])
		}
	}
}

// cluster is what the manifests make, in the types of Kubernetes.
type cluster struct {
	deployments []appsv1.Deployment
	services    []corev1.Service
	configs     map[string]corev1.ConfigMap
	secrets     map[string]corev1.Secret
	accounts    map[string]bool
	scalers     []autoscalingv2.HorizontalPodAutoscaler
	budgets     []policyv1.PodDisruptionBudget
	networks    []networkingv1.NetworkPolicy
	monitors    []monitor
}

type monitor struct {
	Spec struct {
		Selector  metav1.LabelSelector
		Endpoints []struct{ Port, Path string }
	}
}

func load(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{configs: map[string]corev1.ConfigMap{}, secrets: map[string]corev1.Secret{}, accounts: map[string]bool{}}
	for _, content := range bytes.Split(rendered(t), []byte("\n---\n")) {
		var head metav1.PartialObjectMetadata
		if err := yaml.Unmarshal(content, &head); err != nil {
			t.Fatal(err)
		}
		name := head.Name
		switch head.Kind {
		case "Deployment":
			c.deployments = append(c.deployments, read[appsv1.Deployment](t, content))
		case "Service":
			c.services = append(c.services, read[corev1.Service](t, content))
		case "ConfigMap":
			c.configs[name] = read[corev1.ConfigMap](t, content)
		case "Secret":
			c.secrets[name] = read[corev1.Secret](t, content)
		case "ServiceAccount":
			c.accounts[name] = true
		case "HorizontalPodAutoscaler":
			c.scalers = append(c.scalers, read[autoscalingv2.HorizontalPodAutoscaler](t, content))
		case "PodDisruptionBudget":
			c.budgets = append(c.budgets, read[policyv1.PodDisruptionBudget](t, content))
		case "NetworkPolicy":
			c.networks = append(c.networks, read[networkingv1.NetworkPolicy](t, content))
		case "ServiceMonitor":
			c.monitors = append(c.monitors, read[monitor](t, content))
		case "Namespace", "PrometheusRule":
		default:
			t.Errorf("nothing here looks at a %s", head.Kind)
		}
		if head.Kind != "Namespace" && head.Namespace != "sluice" {
			t.Errorf("%s %s is in the namespace %q", head.Kind, name, head.Namespace)
		}
	}
	if len(c.deployments) != 2 || len(c.scalers) == 0 || len(c.networks) == 0 || len(c.monitors) == 0 {
		t.Fatalf("%d deployments, %d scalers, %d networks, %d monitors", len(c.deployments), len(c.scalers), len(c.networks), len(c.monitors))
	}
	return c
}

func read[T any](t *testing.T, content []byte) (v T) {
	t.Helper()
	if err := yaml.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// picks lists the deployments whose pods a selector picks.
func (c *cluster) picks(t *testing.T, s *metav1.LabelSelector) (names []string) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range c.deployments {
		if selector.Matches(labels.Set(d.Spec.Template.Labels)) {
			names = append(names, d.Name)
		}
	}
	return names
}

// TestNames follows every name from one manifest to the other.
func TestNames(t *testing.T) {
	t.Parallel()
	c := load(t)
	ports := map[string][]string{}
	for _, d := range c.deployments {
		if got := c.picks(t, d.Spec.Selector); !slices.Equal(got, []string{d.Name}) {
			t.Errorf("%s selects the pods of %v", d.Name, got)
		}
		pod := d.Spec.Template.Spec
		if !c.accounts[pod.ServiceAccountName] {
			t.Errorf("%s: there is no account %q", d.Name, pod.ServiceAccountName)
		}
		for _, p := range pod.Containers[0].Ports {
			ports[d.Name] = append(ports[d.Name], p.Name)
		}
		for _, p := range []*corev1.Probe{pod.Containers[0].StartupProbe, pod.Containers[0].ReadinessProbe, pod.Containers[0].LivenessProbe} {
			if p == nil || p.HTTPGet == nil || !slices.Contains(ports[d.Name], p.HTTPGet.Port.StrVal) {
				t.Errorf("%s: a probe has no port: %v", d.Name, p)
			}
		}
		if pod.Containers[0].ReadinessProbe.HTTPGet.Path != "/readyz" || pod.Containers[0].LivenessProbe.HTTPGet.Path != "/healthz" {
			t.Errorf("%s: the probes ask for something else", d.Name)
		}
		for _, s := range pod.TopologySpreadConstraints {
			if got := c.picks(t, s.LabelSelector); !slices.Equal(got, []string{d.Name}) {
				t.Errorf("%s is spread with %v", d.Name, got)
			}
		}
		for _, container := range append(pod.InitContainers, pod.Containers...) {
			for _, e := range container.Env {
				if e.ValueFrom == nil {
					continue
				}
				ref := e.ValueFrom.SecretKeyRef
				if _, there := c.secrets[ref.Name].StringData[ref.Key]; !there {
					t.Errorf("%s: %s is of no key of the secret's example: %s in %s", d.Name, e.Name, ref.Key, ref.Name)
				}
			}
		}
	}
	for _, s := range c.services {
		for _, d := range c.picks(t, &metav1.LabelSelector{MatchLabels: s.Spec.Selector}) {
			for _, p := range s.Spec.Ports {
				if !slices.Contains(ports[d], p.TargetPort.StrVal) {
					t.Errorf("the service %s wants the port %s of %s, which has %v", s.Name, p.TargetPort.StrVal, d, ports[d])
				}
			}
		}
	}
	for _, h := range c.scalers {
		if !slices.ContainsFunc(c.deployments, func(d appsv1.Deployment) bool { return d.Name == h.Spec.ScaleTargetRef.Name }) {
			t.Errorf("the scaler %s is for %s", h.Name, h.Spec.ScaleTargetRef.Name)
		}
	}
	for _, b := range c.budgets {
		if got := c.picks(t, b.Spec.Selector); !slices.Equal(got, []string{b.Name}) {
			t.Errorf("the budget %s is for %v", b.Name, got)
		}
	}
	for _, n := range c.networks {
		if len(c.picks(t, &n.Spec.PodSelector)) == 0 {
			t.Errorf("the policy %s is for no pod", n.Name)
		}
	}
	for _, m := range c.monitors {
		selector, err := metav1.LabelSelectorAsSelector(&m.Spec.Selector)
		if err != nil {
			t.Fatal(err)
		}
		var scraped []string
		for _, s := range c.services {
			if selector.Matches(labels.Set(s.Labels)) && s.Spec.Ports[0].Name == m.Spec.Endpoints[0].Port {
				scraped = append(scraped, c.picks(t, &metav1.LabelSelector{MatchLabels: s.Spec.Selector})...)
			}
		}
		if len(scraped) != len(c.deployments) {
			t.Errorf("scraped are %v", scraped)
		}
	}
}

// TestLocked holds the pods to the standard `restricted`, and to a root that cannot be written.
func TestLocked(t *testing.T) {
	t.Parallel()
	for _, d := range load(t).deployments {
		pod := d.Spec.Template.Spec
		s := pod.SecurityContext
		if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault || *s.RunAsUser == 0 {
			t.Errorf("%s: the pod is %+v", d.Name, s)
		}
		if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID {
			t.Errorf("%s: the pod has a token, or is on the machine", d.Name)
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			s := c.SecurityContext
			if s == nil || *s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
				t.Errorf("%s: %s is %+v", d.Name, c.Name, s)
			}
			if c.Resources.Limits.Memory().IsZero() || !c.Resources.Limits.Cpu().IsZero() || c.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: %s has the resources %+v", d.Name, c.Name, c.Resources)
			}
		}
	}
}
