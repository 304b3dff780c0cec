package sluice_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/sluiceapi/sluice"
)

// bind binds all references of a template.
func bind(tb testing.TB, r sluice.Referrer, scope sluice.Scope) {
	tb.Helper()
	r.References(func(ref *sluice.Reference) {
		if err := ref.Bind(scope); err != nil {
			tb.Fatal(err)
		}
	})
}

func TestTemplateAppends(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"plain", "plain"},
		{"{id}", "a+b"},
		{"p{page}q{query.q}r", "p3qa br"},
		{"{id}{id}", "a+ba+b"},
		{"{query.none}{body.none}-", "-"},
		{"{order}", `{"id": 42, "tags": ["x"]}`},
		{"{{id}}", "{id}"},
		{"{{{id}}}", "{a+b}"},
		{"{{}}{{", "{}{"},
		{"{path...}", "x/y z"},
		{"é{page}é", "é3é"},
	} {
		x, scope := asked()
		template, err := sluice.ParseTemplate(tt.text)
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		bind(t, &template, scope)
		if got := string(template.Append([]byte(">"), x)); got != ">"+tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
		if template.String() != tt.text || template.IsZero() != (tt.text == "") {
			t.Errorf("%q prints as %q", tt.text, template)
		}
	}
}

func TestTemplateIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"{id", "an opening brace"}, {"id}", "a closing brace"}, {"{id}}", "a closing brace"}, {"{{id}", "a closing brace"},
		{"{}", "an empty reference"}, {"{a b}", "not a reference"}, {"{a{b}}", "not a reference"}, {"{", "an opening brace"},
	} {
		if _, err := sluice.ParseTemplate(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
		}
	}
}

func TestTemplateKnowsWhereReferencesStand(t *testing.T) {
	t.Parallel()
	template, err := sluice.ParseTemplate("é{{{id}/{page}")
	if err != nil {
		t.Fatal(err)
	}
	var offsets []int
	template.References(func(r *sluice.Reference) { offsets = append(offsets, r.Offset()) })
	if want := []int{6, 11}; !slices.Equal(offsets, want) {
		t.Errorf("got %v, want %v", offsets, want)
	}
}

func TestTemplateOfField(t *testing.T) {
	t.Parallel()
	template, err := sluice.ParseTemplate("v={query.q}")
	if err != nil {
		t.Fatal(err)
	}
	bind(t, &template, sluice.Scope{})
	for query, want := range map[string]string{"q=a%09b%C3%A9": "v=a\tbé", "q=a%0D%0Ax:y": "", "q=%00": "", "q=%7F": ""} {
		x := sluice.NewExchange(nil)
		x.Request.Query = []byte(query)
		got, err := template.AppendField([]byte(">"), x)
		if want == "" {
			if sluice.ErrorOf(err).Code != sluice.BadRequest || string(got) != ">" {
				t.Errorf("%s: got %q, %v; want it refused", query, got, err)
			}
		} else if err != nil || string(got) != ">"+want {
			t.Errorf("%s: got %q, %v; want %q", query, got, err, want)
		}
	}
}

func TestTemplateOfPath(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, set, want string }{
		{"/u/{id}", "", "/u/a%2Bb"},
		{"/u/{page}", "", "/u/3"},
		{"/u/{query.q}", "", "/u/a%20b"},
		{"/u/{path...}", "", "/u/x/y%20z"},
		{"/u/{path}/end", "", "/u/x/y%20z/end"},
		{"/u/{query.v}", "v=..%2Fx", "/u/..%2Fx"},
		{"/u/{query.v}/x", "v=", ""},
		{"/u/{query.none}", "", ""},
		{"/u/{query.v}", "v=..", ""},
		{"/u/{query.v}", "v=.", ""},
		{"/u/{body.none}", "", ""},
		{"/u/{path...}", "empty path", "/u/"},
		{"/u/{path}/end", "empty path", ""},
	} {
		var template sluice.PathTemplate
		if err := template.UnmarshalText([]byte(tt.text)); err != nil {
			t.Fatal(err)
		}
		x, scope := asked()
		switch {
		case tt.set == "empty path":
			x.Request.Params[1].Value = []byte{}
		case tt.set != "":
			x.Request.Query = []byte(tt.set)
		}
		bind(t, &template, scope)
		got, err := template.AppendPath(nil, x)
		if tt.want == "" {
			if sluice.ErrorOf(err).Code != sluice.BadRequest {
				t.Errorf("%s with %s: got %q, %v; want it refused", tt.text, tt.set, got, err)
			}
		} else if err != nil || string(got) != tt.want {
			t.Errorf("%s with %s: got %q, %v; want %q", tt.text, tt.set, got, err, tt.want)
		}
	}
	var template sluice.PathTemplate
	if err := template.UnmarshalText([]byte("u/{id}")); err == nil {
		t.Error("a path without a slash is taken")
	}
}

func TestTemplateOfJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{`{"a": 1, "b": [true, null]}`, `{"a":1,"b":[true,null]}`},
		{`"{id}"`, `"a+b"`},
		{`["{page}", "{order.id}", "{body.items.0}", "{query.none}", "{body.none}"]`, `[3,42,{"n": 1.5},null,null]`},
		{`{"text": "p{page} \"{query.q}\" {query.none}."}`, `{"text":"p3 \"a b\" ."}`},
		{`{"{id}": "{{id}}"}`, `{"{id}":"{id}"}`},
		{`"\u007bid\u007d"`, `"a+b"`},
		{`"{order}!"`, `"{\"id\": 42, \"tags\": [\"x\"]}!"`},
		{`"é\n{page}"`, `"é\n3"`},
	} {
		var template sluice.JSONTemplate
		if err := json.Unmarshal([]byte(tt.text), &template); err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		x, scope := asked()
		bind(t, &template, scope)
		if got := string(template.AppendJSON(nil, x)); got != tt.want || !json.Valid([]byte(got)) {
			t.Errorf("%s: got %s, want %s", tt.text, got, tt.want)
		}
	}
	var template sluice.JSONTemplate
	if !template.IsZero() || template.UnmarshalJSON([]byte(`"{id"`)) == nil || template.UnmarshalJSON([]byte(`{`)) == nil {
		t.Error("a bad template is taken")
	}
}

func TestRawJSONIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	var j sluice.RawJSON
	if err := json.Unmarshal([]byte(` {"a" : "{id} }}"} `), &j); err != nil || string(j) != `{"a":"{id} }}"}` {
		t.Errorf("got %s, %v", j, err)
	}
	if err := j.UnmarshalJSON([]byte("{")); err == nil {
		t.Error("it takes what is no JSON")
	}
}

// FuzzTemplate fills what parses with values that hold what is dangerous in each place.
func FuzzTemplate(f *testing.F) {
	for _, text := range []string{"/u/{id}", "{{{query.q}}}", `{"a": "{body.sku} x"}`, "/{path...}", `["{page}"]`} {
		f.Add(text, "q=%22%0a/..")
	}
	f.Fuzz(func(t *testing.T, text, query string) {
		x, scope := asked()
		x.Request.Query = []byte(query)
		fill := func(r sluice.Referrer) bool {
			ok := true
			r.References(func(ref *sluice.Reference) { ok = ref.Bind(scope) == nil && ok })
			return ok
		}
		if template, err := sluice.ParseTemplate(text); err == nil && fill(&template) {
			if value, err := template.AppendField(nil, x); err == nil && !sluice.ValidFieldValue(value) {
				t.Fatalf("%q gives the field %q", text, value)
			}
		}
		var path sluice.PathTemplate
		if path.UnmarshalText([]byte(text)) == nil && fill(&path) && plainPath(text) {
			if p, err := path.AppendPath(nil, x); err == nil {
				if n := strings.Count(string(p), "/"); n != strings.Count(text, "/")+strings.Count(text, "{path") {
					t.Fatalf("%q with %q gives %q", text, query, p)
				}
				if slices.ContainsFunc(strings.Split(string(p), "/"), func(s string) bool { return s == "." || s == ".." }) {
					t.Fatalf("%q with %q gives %q", text, query, p)
				}
			}
		}
		var j sluice.JSONTemplate
		if json.Unmarshal([]byte(text), &j) == nil && fill(&j) {
			if got := j.AppendJSON(nil, x); !json.Valid(got) {
				t.Fatalf("%q gives %q", text, got)
			}
		}
	})
}

// plainPath tells whether the literal parts of a path template hold no dots of their own.
func plainPath(text string) bool {
	for i := 0; i < len(text); i++ {
		if text[i] == '{' {
			end := strings.IndexByte(text[i:], '}')
			if end < 0 || i+end+1 < len(text) && text[i+end+1] != '/' || text[i-1] != '/' {
				return false
			}
			i += end
		} else if text[i] == '.' || text[i] == '}' {
			return false
		}
	}
	return true
}

// What does not fit is the fault of who brought it: a client's bad request, or a backend's bad answer.
func TestTemplateOfResult(t *testing.T) {
	t.Parallel()
	x, scope := asked()
	scope.Results = []string{"user"}
	x.SetResult(0, []byte(`{"name":"","line":"a\nb"}`))
	x.Request.Query = []byte("line=a%0Ab")
	for text, want := range map[string]sluice.Code{"/u/{user.name}": sluice.BadGateway, "/u/{query.none}": sluice.BadRequest} {
		var path sluice.PathTemplate
		if err := path.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		bind(t, &path, scope)
		if _, err := path.AppendPath(nil, x); err == nil || sluice.ErrorOf(err).Code != want {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
	for text, want := range map[string]sluice.Code{"{user.line}": sluice.BadGateway, "{user.name}{query.line}": sluice.BadRequest} {
		field, err := sluice.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		bind(t, &field, scope)
		if _, err := field.AppendField(nil, x); err == nil || sluice.ErrorOf(err).Code != want {
			t.Errorf("%s: got %v, want %v", text, err, want)
		}
	}
}
