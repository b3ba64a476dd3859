package report

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"math"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report/page"
)

// LiveOptions are what a page that follows a run has. Package report/live serves
// such pages.
type LiveOptions struct {
	// StopToken has the page show a button that stops the run, and send this with
	// it. "" shows none.
	StopToken string

	// Silent is for how long nothing has come of the run, whose process says
	// something each second. The page says so from 10 s on.
	Silent time.Duration
}

// longSilence is how long a process that lives is not silent.
const longSilence = 10 * time.Second

// parts are what only a run that goes on has.
func (o LiveOptions) parts() *liveParts {
	p := &liveParts{StopToken: o.StopToken}
	if o.Silent >= longSilence {
		p.Silent = o.Silent.Seconds()
	}
	return p
}

// Cursor is how far a page has followed a run. The zero value is before its
// beginning.
type Cursor struct {
	Seconds   float64 `json:"seconds"` // since the run's beginning, as are the others
	Generator float64 `json:"generator"`
	Server    float64 `json:"server"`
}

// News is what a page that follows a run gets: what is later than its cursor.
type News struct {
	Until Cursor                   `json:"until"`
	Parts map[string]template.HTML `json:"parts"` // of the page, by their IDs
	Data  page.Data                `json:"data"`
	Ended bool                     `json:"ended"` // there is a result now, and a page of it
}

// LiveHTML writes a page that follows a run, of its result until now.
func LiveHTML(w io.Writer, res *harness.Result, o LiveOptions) error {
	c := &charter{res: res, prefix: "r0", live: true, after: always}
	a := article{Result: res, ID: c.prefix, Drawn: c.draw(), Title: titleOf(res), Live: o.parts()}
	body, err := resultPage{Articles: []article{a}}.render("page")
	if err != nil {
		return fmt.Errorf("write HTML: %w", err)
	}
	data := page.Data{Charts: c.charts, Marks: c.marks(), Until: cursorOf(res)}
	return page.Document{Title: titleOf(res) + ": running", Body: body, Data: data, Live: true}.Write(w)
}

// LiveNews is what has happened after a cursor.
func LiveNews(res *harness.Result, after Cursor, o LiveOptions) (News, error) {
	c := &charter{res: res, prefix: "r0", live: true, after: since{after.Seconds, after.Generator, after.Server}}
	a := article{Result: res, ID: c.prefix, Drawn: c.draw(), Title: titleOf(res), Live: o.parts()}
	news := News{Until: cursorOf(res), Parts: map[string]template.HTML{}, Data: page.Data{Charts: c.charts, Marks: c.marks()}}
	put := func(id, name string, data any) error {
		var b bytes.Buffer
		if err := resultTemplate.ExecuteTemplate(&b, name, data); err != nil {
			return fmt.Errorf("follow the run: %w", err)
		}
		news.Parts[id] = template.HTML(b.String())
		return nil
	}
	for _, name := range []string{"verdict", "state"} {
		if err := put(a.ID+"-"+name, name, a); err != nil {
			return news, err
		}
	}
	for _, part := range a.Parts() {
		if err := put(part.ID+"-numbers", "numbers", part); err != nil {
			return news, err
		}
		if err := put(part.ID+"-failures", "failures", part); err != nil {
			return news, err
		}
	}
	return news, nil
}

// cursorOf is the end of what a result has.
func cursorOf(res *harness.Result) Cursor {
	none := -math.MaxFloat64 // JSON has no infinity
	c := Cursor{none, none, none}
	for i := range res.Scenarios {
		for _, sec := range res.Scenarios[i].Timeline {
			c.Seconds = max(c.Seconds, res.TimelineAt+sec.At)
		}
	}
	if w := res.Generator.Watch; w != nil && len(w.Timeline) > 0 {
		c.Generator = res.TimelineAt + w.Timeline[len(w.Timeline)-1].At
	}
	if res.Server != nil {
		for i := range res.Server.Series {
			if points := res.Server.Series[i].Points; len(points) > 0 {
				c.Server = max(c.Server, points[len(points)-1][0])
			}
		}
	}
	return c
}
