package codertest

import (
	"archive/tar"
	"bytes"
	"io"
	"regexp"
	"strconv"
	"strings"
)

const (
	// declaredItems is how many items of metadata the agents of a template
	// declare that does not say so in a way that is understood here.
	declaredItems = 16
	mostItems     = 500
	longestSource = 1 << 20 // that is looked through
)

var itemRange = regexp.MustCompile(`for_each\s*=\s*range\(\s*(\d{1,3})\s*\)`)

// agentTemplate reports whether a template has agents without a machine, whose
// tokens it shows, and how many items of metadata they declare.
func (f *file) agentTemplate() (external bool, items int) {
	r := tar.NewReader(bytes.NewReader(f.data))
	for {
		h, err := r.Next()
		if err != nil {
			return external, items
		}
		if !strings.HasSuffix(h.Name, ".tf") {
			continue
		}
		source, err := io.ReadAll(io.LimitReader(r, longestSource))
		if err != nil || !bytes.Contains(source, []byte("agent_token")) {
			continue
		}
		external, items = true, declaredItems
		if m := itemRange.FindSubmatch(source); m != nil {
			if n, err := strconv.Atoi(string(m[1])); err == nil {
				items = min(n, mostItems)
			}
		}
	}
}
