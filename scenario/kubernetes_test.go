package scenario_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/scenario"
)

func TestTheFileOfTheKubernetesExampleCanBeRead(t *testing.T) {
	file, err := scenario.Read("../deploy/kubernetes/overlays/scenario/scenario.yaml")
	require.NoError(t, err)
	require.Len(t, file.Scenarios, 3)
	require.Nil(t, file.Create, "the example works without a template")
}
