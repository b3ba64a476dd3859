package main

// These are the parts of Grafana's JSON that the dashboards use.

// Dashboard is a dashboard.
type Dashboard struct {
	UID           string      `json:"uid"`
	Title         string      `json:"title"`
	Description   string      `json:"description"`
	Tags          []string    `json:"tags"`
	SchemaVersion int         `json:"schemaVersion"`
	GraphTooltip  int         `json:"graphTooltip"` // 1 is a crosshair on all panels
	Refresh       string      `json:"refresh"`
	Time          TimeRange   `json:"time"`
	Links         []Link      `json:"links"`
	Annotations   Annotations `json:"annotations"`
	Templating    Templating  `json:"templating"`
	Panels        []Panel     `json:"panels"`
}

// TimeRange is what is shown at first.
type TimeRange struct {
	From string `json:"from"`
	To   string `json:"to"`
}

// Link leads to the other dashboards, at the same time and of the same things.
type Link struct {
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	Tags        []string `json:"tags"`
	AsDropdown  bool     `json:"asDropdown"`
	IncludeVars bool     `json:"includeVars"`
	KeepTime    bool     `json:"keepTime"`
}

// Datasource is where a query goes.
type Datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

// Annotations are marks on the time axis.
type Annotations struct {
	List []Annotation `json:"list"`
}

// Annotation is a mark where its query is 1.
type Annotation struct {
	Name        string     `json:"name"`
	Enable      bool       `json:"enable"`
	Datasource  Datasource `json:"datasource"`
	Expr        string     `json:"expr"`
	Step        string     `json:"step"`
	IconColor   string     `json:"iconColor"`
	TitleFormat string     `json:"titleFormat"`
	TagKeys     string     `json:"tagKeys"`
}

// Templating has the variables.
type Templating struct {
	List []Variable `json:"list"`
}

// Variable is chosen at the top of a dashboard.
type Variable struct {
	Name        string      `json:"name"`
	Label       string      `json:"label"`
	Description string      `json:"description"`
	Type        string      `json:"type"` // datasource, query or textbox
	Query       string      `json:"query"`
	Datasource  *Datasource `json:"datasource,omitempty"`
	Refresh     int         `json:"refresh,omitempty"` // 2 is when the time range changes
	Sort        int         `json:"sort,omitempty"`
	Multi       bool        `json:"multi,omitempty"`
	IncludeAll  bool        `json:"includeAll,omitempty"`
	AllValue    string      `json:"allValue,omitempty"`
	Current     *Current    `json:"current,omitempty"`
}

// Current is what is chosen at first.
type Current struct {
	Text  string `json:"text"`
	Value string `json:"value"`
}

// Panel is a panel, or the title of those below it.
type Panel struct {
	ID          int          `json:"id"`
	Type        string       `json:"type"`
	Title       string       `json:"title"`
	Description string       `json:"description,omitempty"`
	GridPos     GridPos      `json:"gridPos"`
	Collapsed   *bool        `json:"collapsed,omitempty"` // of a row
	Panels      []Panel      `json:"panels,omitempty"`    // of a collapsed row
	Datasource  *Datasource  `json:"datasource,omitempty"`
	FieldConfig *FieldConfig `json:"fieldConfig,omitempty"`
	Options     any          `json:"options,omitempty"`
	Targets     []Target     `json:"targets,omitempty"`
}

// GridPos is where a panel is: 24 columns, any number of lines.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// FieldConfig is how values look.
type FieldConfig struct {
	Defaults  Defaults `json:"defaults"`
	Overrides []any    `json:"overrides"`
}

// Defaults are how all values of a panel look.
type Defaults struct {
	Unit   string   `json:"unit"`
	Min    *float64 `json:"min,omitempty"`
	Custom any      `json:"custom,omitempty"`
}

// Target is a query.
type Target struct {
	RefID        string     `json:"refId"`
	Datasource   Datasource `json:"datasource"`
	Expr         string     `json:"expr"`
	LegendFormat string     `json:"legendFormat,omitempty"`
	Format       string     `json:"format,omitempty"`
	Instant      bool       `json:"instant,omitempty"`
	Exemplar     bool       `json:"exemplar,omitempty"`
}
