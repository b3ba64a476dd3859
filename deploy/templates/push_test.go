package templates_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var (
	pushed   = regexp.MustCompile(`(?m)^ +coder templates push \S+ ((?:.*\\\n)*.*)$`)
	declared = regexp.MustCompile(`(?ms)^variable "([a-z_]+)" \{\n(.*?)^\}`)
	given    = regexp.MustCompile(`--variable ([a-z_]+)=`)
)

// TestAPushAsTheReadmesHaveItIsNotRefused looks for variables without a default, and for
// the image, whose default is in no registry.
func TestAPushAsTheReadmesHaveItIsNotRefused(t *testing.T) {
	pages, err := filepath.Glob("*/README.md")
	require.NoError(t, err)
	found := 0
	for _, page := range append(pages, "README.md") {
		for _, push := range pushed.FindAllStringSubmatch(read(t, page), -1) {
			found++
			require.Contains(t, push[1], "-d deploy/templates/", page)
			_, folder, _ := strings.Cut(push[1], "-d deploy/templates/")
			folder = strings.Fields(folder)[0]
			var values []string
			for _, v := range given.FindAllStringSubmatch(push[1], -1) {
				values = append(values, v[1])
			}
			names := []string{}
			for _, name := range files(t, folder) {
				if filepath.Ext(name) != ".tf" {
					continue
				}
				for _, v := range declared.FindAllStringSubmatch(read(t, folder, name), -1) {
					names = append(names, v[1])
					if !regexp.MustCompile(`(?m)^  default\s*=`).MatchString(v[2]) || v[1] == "scaletest_image" {
						assert.Contains(t, values, v[1], "%s pushes %s without it", page, folder)
					}
				}
			}
			for _, v := range values {
				assert.Contains(t, names, v, "%s pushes %s with it", page, folder)
			}
		}
	}
	require.Equal(t, len(folders(t))+1, found, "one for each template, and one for all")
}
