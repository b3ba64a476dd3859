package page

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
)

// Document is a page.
type Document struct {
	Title string
	Body  template.HTML // trusted: made by html/template
	Data  Data

	// Live has the page ask its server for news once a second: see package
	// report/live.
	Live bool
}

// Data is what the page draws.
type Data struct {
	Charts []Chart `json:"charts"`
	Marks  []Mark  `json:"marks,omitempty"`

	// Until is what a live page asks its server with for what comes after.
	Until any `json:"until,omitempty"`
}

// Mark is an instant that all time charts of its axis show.
type Mark struct {
	Axis string  `json:"axis,omitempty"` // see Chart.Axis
	At   float64 `json:"at"`             // seconds
	Text string  `json:"text"`
}

//go:embed assets/uplot.js
var uplotJS string

//go:embed assets/uplot.LICENSE
var uplotLicense string

//go:embed assets/uplot.css
var uplotCSS string

//go:embed assets/page.js
var pageJS string

//go:embed assets/page.css
var pageCSS string

//go:embed assets/page.gohtml
var shell string

var pageTemplate = template.Must(template.New("page").Parse(shell))

// Write writes the page.
func (d Document) Write(w io.Writer) error {
	data, err := d.Data.encode()
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	var b bytes.Buffer
	err = pageTemplate.Execute(&b, map[string]any{
		"Title": d.Title, "Body": d.Body, "Live": d.Live,
		"Data":   template.JS(data), // it has no < in it
		"Style":  template.CSS(uplotCSS + pageCSS),
		"Script": template.JS("/*\n" + uplotLicense + "*/\n" + uplotJS + "\n" + pageJS),
	})
	if err == nil {
		_, err = w.Write(b.Bytes())
	}
	if err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// encode escapes what could end the element that it is in.
func (d Data) encode() ([]byte, error) {
	if d.Charts == nil {
		d.Charts = []Chart{}
	}
	return json.Marshal(d)
}
