package report_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/report"
)

func TestAPageOfARunThatIsSilentSaysSo(t *testing.T) {
	const says = "Nothing has come of this run for 12"
	for silent, want := range map[time.Duration]string{9 * time.Second: "running", 12 * time.Second: "silent"} {
		o := report.LiveOptions{Silent: silent}
		var page bytes.Buffer
		require.NoError(t, report.LiveHTML(&page, passed(), o))
		news, err := report.LiveNews(passed(), report.Cursor{}, o)
		require.NoError(t, err)
		for _, html := range []string{page.String(), string(news.Parts["r0-verdict"] + news.Parts["r0-state"])} {
			assert.Contains(t, html, `<span class="verdict `+want+`">`+want+`</span>`)
			assert.Equal(t, want == "silent", bytes.Contains([]byte(html), []byte(says)), html[:200])
		}
	}
}
