package page

import (
	"math"
	"strconv"
)

// Chart is a drawing. What kind it is follows from what is set: Heat, or Curve,
// or lines over X.
type Chart struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Note  string `json:"note,omitempty"` // what a reader should know of it
	Unit  Unit   `json:"unit"`

	// Axis is the name of the time axis. Charts that have the same one share cursor
	// and zoom. "" is one, too.
	Axis string `json:"axis,omitempty"`

	// X are seconds, rising; each line has a value for each.
	X     Values  `json:"x,omitempty"`
	Lines []Line  `json:"lines,omitempty"`
	Curve []Curve `json:"curve,omitzero"` // percentile curves; not nil where there are none yet
	Heat  *Heat   `json:"heat,omitempty"`

	// Limits are drawn across, such as thresholds.
	Limits []Limit `json:"limits,omitempty"`
}

// Unit is what a chart's values are of.
type Unit string

// The units. Numbers are shown in steps of a thousand.
const (
	Seconds   Unit = "seconds"
	Bytes     Unit = "bytes"
	PerSecond Unit = "1/s"
	BytesRate Unit = "bytes/s"
	Cores     Unit = "cores"
	Share     Unit = "ratio"
	Number    Unit = ""
)

// Line is a series of a chart. A value that is not a number is a gap.
type Line struct {
	Label  string `json:"label"`
	Values Values `json:"values"`
	Dashed bool   `json:"dashed,omitempty"`
	Color  int    `json:"color"` // of the page's eight
}

// Curve is times by percentile.
type Curve struct {
	Label  string       `json:"label"`
	Points [][2]float64 `json:"points"` // percent, seconds; rising
	Dashed bool         `json:"dashed,omitempty"`
	Color  int          `json:"color"`
}

// Heat is how many times there were, by when and by how long.
type Heat struct {
	X     Values      `json:"x"`     // seconds, the end of each column
	Cells [][3]uint64 `json:"cells"` // column, row, count; row i holds times from 2^(i/4) nanoseconds
}

// Limit is a line across a chart.
type Limit struct {
	Label string  `json:"label"`
	Value float64 `json:"value"`
}

// Values are numbers to four digits, which is more than a chart shows.
type Values []float64

// MarshalJSON writes null for what is no number.
func (v Values) MarshalJSON() ([]byte, error) {
	out := append(make([]byte, 0, 8*len(v)+2), '[')
	for i, x := range v {
		if i > 0 {
			out = append(out, ',')
		}
		switch {
		case math.IsNaN(x) || math.IsInf(x, 0):
			out = append(out, "null"...)
		case x == math.Trunc(x) && math.Abs(x) < 1e15:
			out = strconv.AppendInt(out, int64(x), 10)
		default:
			out = strconv.AppendFloat(out, x, 'g', 4, 64)
		}
	}
	return append(out, ']'), nil
}
