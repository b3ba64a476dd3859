package codertest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestNewReportsAnAddressThatIsTaken(t *testing.T) {
	s := Start(t, Config{})
	_, err := New(Config{Addr: s.URL()[len("http://"):]})
	require.ErrorContains(t, err, "listen: ")
}

func mustID(s string) uuid.UUID { return uuid.MustParse(s) }
