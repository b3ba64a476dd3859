//go:build unix && !scaletest

package docs_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheNumberOfPortsIsThatOfTheirRange counts both ends of a range, as the system does.
func TestTheNumberOfPortsIsThatOfTheirRange(t *testing.T) {
	number := func(text string) int {
		n, err := strconv.Atoi(strings.ReplaceAll(text, ",", ""))
		require.NoError(t, err)
		return n
	}
	text, err := os.ReadFile("sizing.md")
	require.NoError(t, err)
	said := regexp.MustCompile(`([\d,]+) with .net\.ipv4\.ip_local_port_range=(\d+) (\d+)`).FindStringSubmatch(string(text))
	require.NotNil(t, said)
	require.Equal(t, number(said[3])-number(said[2])+1, number(said[1]))

	load, err := os.ReadFile("../deploy/kubernetes/base/load.yaml")
	require.NoError(t, err)
	set := regexp.MustCompile(`ip_local_port_range\s+value: (\d+) (\d+)`).FindStringSubmatch(string(load))
	require.NotNil(t, set)
	said = regexp.MustCompile(`above their own listeners, ([\d,]+)\.`).FindStringSubmatch(string(text))
	require.NotNil(t, said)
	require.Equal(t, number(set[2])-number(set[1])+1, number(said[1]))
}
