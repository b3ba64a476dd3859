package page_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/report/page"
	"github.com/coderscale/scaletest/traffic/histogram"
)

func TestValuesHaveFourDigitsAndGaps(t *testing.T) {
	text, err := json.Marshal(page.Values{0, 1, -3, 1234567, 0.123456, 1e-9, math.NaN(), math.Inf(1), 1e20})
	require.NoError(t, err)
	assert.Equal(t, "[0,1,-3,1234567,0.1235,1e-09,null,null,1e+20]", string(text))
	assert.True(t, json.Valid(text))
	text, err = json.Marshal(page.Values{})
	require.NoError(t, err)
	assert.Equal(t, "[]", string(text))
}

func TestPercentilesRiseAsFarAsThereAreSamplesToTell(t *testing.T) {
	for _, n := range []int{1, 10, 1000, 100_000} {
		var h histogram.Histogram
		for i := range n {
			h.Record(time.Duration(i+1) * time.Microsecond)
		}
		points := page.Percentiles(&h)
		require.NotEmpty(t, points)
		for i, p := range points {
			assert.GreaterOrEqual(t, float64(n)*(1-p[0]/100), 0.999, "of so few samples nobody knows the %v-th percentile", p[0])
			if i > 0 {
				assert.Greater(t, p[0], points[i-1][0])
				assert.GreaterOrEqual(t, p[1], points[i-1][1])
			}
			assert.InEpsilon(t, h.Percentile(p[0]).Seconds(), p[1], 0.02)
		}
	}
}

func TestMarkdownShowsATextAsItIs(t *testing.T) {
	assert.Equal(t, `a\|b \*c\* &lt;d&gt; \_e\_ \#1`, page.Markdown("a|b\n*c*  <d> _e_ #1"))
}

func TestWhatIsDrawnCanNotEndTheScript(t *testing.T) {
	doc := page.Document{Title: "</title><script>", Data: page.Data{
		Charts: []page.Chart{{ID: "a", Title: "</script><script>alert(1)</script>", X: page.Values{1}, Lines: []page.Line{{Label: "<!--", Values: page.Values{1}}}}},
		Marks:  []page.Mark{{Text: "</script>"}},
	}}
	var b bytes.Buffer
	require.NoError(t, doc.Write(&b))
	assert.Equal(t, 2, strings.Count(b.String(), "</script>"), "the data and the script")
	assert.NotContains(t, b.String(), "<!--")
	assert.Contains(t, b.String(), "Copyright (c) 2022 Leon Sorokin", "the licence of what is embedded goes with it")
}

func ExampleDocument() {
	doc := page.Document{
		Title: "Queue",
		Body:  template.HTML(`<main id="main"><h1>Queue</h1><figure data-chart="length"></figure></main>`),
		Data: page.Data{Charts: []page.Chart{{
			ID: "length", Title: "Jobs that wait", X: page.Values{0, 1, 2},
			Lines: []page.Line{{Label: "jobs", Values: page.Values{3, 5, 4}}},
		}}},
	}
	file, err := os.CreateTemp("", "queue-*.html")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(file.Name())
	if err := doc.Write(file); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(file.Close())
	// Output: <nil>
}
