package main

import "strings"

// dashboard is a dashboard as Grafana reads it.
type dashboard struct {
	Title         string     `json:"title"`
	UID           string     `json:"uid"`
	Tags          []string   `json:"tags"`
	SchemaVersion int        `json:"schemaVersion"`
	Editable      bool       `json:"editable"`
	Refresh       string     `json:"refresh"`
	Time          span       `json:"time"`
	Templating    templating `json:"templating"`
	Panels        []panel    `json:"panels"`
}

type span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type templating struct {
	List []variable `json:"list"`
}

type variable struct {
	Name       string      `json:"name"`
	Label      string      `json:"label"`
	Type       string      `json:"type"`
	Query      string      `json:"query"`
	Datasource *datasource `json:"datasource,omitempty"`
	IncludeAll bool        `json:"includeAll"`
	Multi      bool        `json:"multi"`
	AllValue   string      `json:"allValue,omitempty"`
	Refresh    int         `json:"refresh"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type panel struct {
	ID          int         `json:"id"`
	Type        string      `json:"type"`
	Title       string      `json:"title"`
	Description string      `json:"description,omitempty"`
	Grid        grid        `json:"gridPos"`
	Datasource  *datasource `json:"datasource,omitempty"`
	Targets     []target    `json:"targets,omitempty"`
	Field       *field      `json:"fieldConfig,omitempty"`
}

type grid struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

type target struct {
	Ref    string `json:"refId"`
	Expr   string `json:"expr"`
	Legend string `json:"legendFormat"`
}

type field struct {
	Defaults defaults `json:"defaults"`
}

type defaults struct {
	Unit string `json:"unit"`
	Min  *int   `json:"min,omitempty"`
}

// row is a row of the dashboard with what is to be seen in it.
type row struct {
	title  string
	graphs []graph
}

// graph is one picture: its title, the unit of its values, and its lines.
type graph struct {
	title, unit string
	lines       []line
}

// line is a query, and how its series are called. In the query {} stands for the labels that all have.
type line struct{ legend, query string }

const (
	width, height = 8, 7 // of 24 columns
	shown         = `instance=~"$instance"`
)

// board is the dashboard of Sluice.
func board() dashboard {
	prometheus := &datasource{Type: "prometheus", UID: "${datasource}"}
	d := dashboard{
		Title: "Sluice", UID: "sluice", Tags: []string{"sluice"}, SchemaVersion: 39, Editable: true, Refresh: "30s",
		Time: span{From: "now-1h", To: "now"},
		Templating: templating{List: []variable{
			{Name: "datasource", Label: "Prometheus", Type: "datasource", Query: "prometheus", Refresh: 1},
			{Name: "instance", Label: "Node", Type: "query", Query: "label_values(api_requests_in_flight, instance)", Datasource: prometheus,
				IncludeAll: true, Multi: true, AllValue: ".*", Refresh: 2},
		}},
	}
	y, zero := 0, 0
	add := func(p panel) {
		p.ID = len(d.Panels) + 1
		d.Panels = append(d.Panels, p)
	}
	for _, r := range rows() {
		add(panel{Type: "row", Title: r.title, Grid: grid{Y: y, W: 24, H: 1}})
		y++
		for i, g := range r.graphs {
			p := panel{Type: "timeseries", Title: g.title, Datasource: prometheus, Field: &field{defaults{Unit: g.unit, Min: &zero}},
				Grid: grid{X: i % 3 * width, Y: y + i/3*height, W: width, H: height}}
			for j, l := range g.lines {
				p.Targets = append(p.Targets, target{Ref: string(rune('A' + j)), Expr: withLabels(l.query), Legend: l.legend})
			}
			add(p)
		}
		y += (len(r.graphs) + 2) / 3 * height
	}
	return d
}

// withLabels puts the labels that all have into the braces of every series.
func withLabels(query string) string {
	return strings.ReplaceAll(strings.ReplaceAll(query, "{}", "{"+shown+"}"), "{+", "{"+shown+", ")
}
