//go:build unix && !scaletest

package docs_test

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/campaign"
)

// keysOf are the keys of a configuration, with those inside of others behind a dot.
func keysOf(typ reflect.Type, prefix string) (keys []string) {
	for field := range typ.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		list := inner.Kind() == reflect.Slice && inner.Elem().Kind() == reflect.Struct
		if list {
			inner = inner.Elem()
		}
		if inner.Kind() != reflect.Struct || list {
			keys = append(keys, prefix+name)
		}
		if inner.Kind() == reflect.Struct {
			keys = append(keys, keysOf(inner, prefix+name+".")...)
		}
	}
	return keys
}

func TestTheTableOfCampaignsHasEveryKeyWithItsDefault(t *testing.T) {
	text, err := os.ReadFile("campaigns.md")
	require.NoError(t, err)
	_, table, found := strings.Cut(string(text), "| key | default | meaning |\n")
	require.True(t, found)
	var keys []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_.]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(table, -1) {
		keys = append(keys, row[1])
	}
	want := keysOf(reflect.TypeFor[campaign.Config](), "")
	require.Greater(t, len(want), 25)
	slices.Sort(keys)
	slices.Sort(want)
	require.Equal(t, want, keys)
}
