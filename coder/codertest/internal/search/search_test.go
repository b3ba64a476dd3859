package search_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder/codertest/internal/search"
)

func TestTermsAreReadAsTheServerReadsThem(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]map[string][]string{
		"":                           {},
		"   ":                        {},
		"ws1":                        {"name": {"ws1"}},
		"two words":                  {"name": {"two words"}},
		"Owner:ME":                   {"owner": {"me"}},
		"a:1 a:2":                    {"a": {"1", "2"}},
		`after:"2020-01-01T00:00Z"`:  {"after": {"2020-01-01t00:00z"}},
		`label:"with space" rest`:    {"label": {"with space"}, "name": {"rest"}},
		"owner:me status:running ws": {"owner": {"me"}, "status": {"running"}, "name": {"ws"}},
	} {
		got, err := search.Parse(q, "name")
		require.NoError(t, err, q)
		assert.Equal(t, want, got.Terms, q)
	}
}

func TestTermsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	for _, q := range []string{":x", "x:", "a:b:c"} {
		_, err := search.Parse(q, "name")
		var refused *search.Error
		require.ErrorAs(t, err, &refused, q)
		assert.Equal(t, "q", refused.Field)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"owner:me", `a:"b c" d`, `"`, "::", `x:""y"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, q string) {
		got, err := search.Parse(q, "name")
		if err != nil {
			var refused *search.Error
			require.True(t, errors.As(err, &refused))
			require.Empty(t, got.Keys)
			return
		}
		require.Len(t, got.Keys, len(got.Terms))
		for _, k := range got.Keys {
			require.NotEmpty(t, got.Terms[k])
			require.Equal(t, strings.ToLower(k), k)
			require.Equal(t, got.Terms[k][len(got.Terms[k])-1], got.Get(k))
		}
	})
}
