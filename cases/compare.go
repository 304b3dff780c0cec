package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// taken are the values that a case has taken down, by name.
type taken map[string]string

// fill puts taken values into the text of a request: {name} where the name was taken down, all else as it is.
func (t taken) fill(text string) string {
	for _, name := range slices.Sorted(maps.Keys(t)) {
		text = strings.ReplaceAll(text, "{"+name+"}", t[name])
	}
	return text
}

// answer is a response that came.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// compare lists where an answer is not what the step wants.
func (t taken) compare(want Message, got answer) []string {
	var faults []string
	if status, _ := strconv.Atoi(want.First); status != got.status {
		faults = append(faults, fmt.Sprintf("status %d, want %d", got.status, status))
	}
	for _, name := range slices.Sorted(maps.Keys(want.Header)) {
		for _, value := range want.Header[name] {
			if fault := t.field(name, value, got.header); fault != "" {
				faults = append(faults, fault)
			}
		}
	}
	if len(bytes.TrimSpace(want.Body)) > 0 {
		faults = append(faults, t.body(want.Body, got.body)...)
	}
	if len(faults) > 0 {
		faults = append(faults, fmt.Sprintf("the answer was: %d %s", got.status, clip(got.body)))
	}
	return faults
}

func (t taken) field(name, want string, got http.Header) string {
	values := got.Values(name)
	if want == "-" {
		if len(values) > 0 {
			return fmt.Sprintf("%s is there: %q", strings.ToLower(name), values)
		}
		return ""
	}
	for _, v := range values {
		if want == "*" || t.text(want, v) {
			return ""
		}
	}
	return fmt.Sprintf("%s is %q, want %q", strings.ToLower(name), values, want)
}

// text matches a text in which at most one {name} stands, which takes down what stands there.
func (t taken) text(want, got string) bool {
	want = t.fill(want)
	before, rest, open := strings.Cut(want, "{")
	name, after, closed := strings.Cut(rest, "}")
	if !open || !closed {
		return want == got
	}
	if len(got) < len(before)+len(after) || !strings.HasPrefix(got, before) || !strings.HasSuffix(got, after) {
		return false
	}
	t[name] = got[len(before) : len(got)-len(after)]
	return true
}

func (t taken) body(want, got []byte) []string {
	wanted, isJSON := decode(want)
	if !isJSON {
		if w, g := strings.TrimRight(string(want), "\n"), strings.TrimRight(string(got), "\n"); w != g {
			return []string{fmt.Sprintf("body %q, want %q", clip(got), w)}
		}
		return nil
	}
	value, ok := decode(got)
	if !ok {
		return []string{"the body is not JSON"}
	}
	return t.value("body", wanted, value)
}

func decode(data []byte) (value any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if d.Decode(&value) != nil {
		return nil, false
	}
	return value, !d.More()
}

func (t taken) value(path string, want, got any) []string {
	switch w := want.(type) {
	case map[string]any:
		return t.object(path, w, got)
	case []any:
		return t.array(path, w, got)
	case string:
		if w == "*" {
			return nil
		}
		if name, whole := wholeName(w); whole {
			if _, known := t[name]; !known {
				t[name] = plain(got)
				return nil
			}
			if t[name] == plain(got) {
				return nil
			}
		}
		if g, is := got.(string); is && t.text(w, g) {
			return nil
		}
	default:
		if fmt.Sprint(want) == fmt.Sprint(got) {
			if _, isText := got.(string); !isText {
				return nil
			}
		}
	}
	return []string{fmt.Sprintf("%s is %s, want %s", path, show(got), show(want))}
}

func wholeName(text string) (string, bool) {
	if len(text) < 3 || text[0] != '{' || text[len(text)-1] != '}' {
		return "", false
	}
	return text[1 : len(text)-1], true
}

func plain(v any) string {
	if s, is := v.(string); is {
		return s
	}
	return show(v)
}

func (t taken) object(path string, want map[string]any, got any) []string {
	object, is := got.(map[string]any)
	if !is {
		return []string{fmt.Sprintf("%s is %s, want an object", path, show(got))}
	}
	_, open := want["..."]
	var faults []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if name == "..." {
			continue
		}
		value, there := object[name]
		if !there {
			faults = append(faults, fmt.Sprintf("%s.%s is not there", path, name))
			continue
		}
		faults = append(faults, t.value(path+"."+name, want[name], value)...)
	}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if _, named := want[name]; !named && !open {
			faults = append(faults, fmt.Sprintf("%s.%s is there and not wanted: %s", path, name, show(object[name])))
		}
	}
	return faults
}

func (t taken) array(path string, want []any, got any) []string {
	array, is := got.([]any)
	if !is {
		return []string{fmt.Sprintf("%s is %s, want an array", path, show(got))}
	}
	if len(want) > 0 && want[len(want)-1] == "..." {
		want = want[:len(want)-1]
		array = array[:min(len(array), len(want))]
	}
	if len(array) != len(want) {
		return []string{fmt.Sprintf("%s has %d elements, want %d", path, len(array), len(want))}
	}
	var faults []string
	for i := range want {
		faults = append(faults, t.value(fmt.Sprintf("%s.%d", path, i), want[i], array[i])...)
	}
	return faults
}

func show(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return clip(data)
}

func clip(data []byte) string {
	const most = 400
	if len(data) > most {
		return string(data[:most]) + "…"
	}
	return string(data)
}
