package codertest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

func TestTerminalsAreCountedWhileTheyAreOpenAndAfterwards(t *testing.T) {
	s := Start(t, Config{Workspaces: 1})
	c := openTTY(t, s, "admin/scaletest-0", uuid.New(), dd)
	const typed = `{"data":"abc"}`
	c.send(typed)
	c.expect("abc")
	check := func() {
		t.Helper()
		st := s.Stats()
		require.EqualValues(t, 1, st.MessagesIn)
		require.EqualValues(t, len(typed), st.BytesIn)
		require.EqualValues(t, 1, st.MessagesOut)
		require.EqualValues(t, 3, st.BytesOut)
		require.EqualValues(t, 1, st.TerminalsOpened)
	}
	require.EqualValues(t, 1, s.Stats().Terminals)
	until(t, "the message is counted", func() bool { return s.Stats().MessagesOut == 1 })
	check()
	require.NoError(t, c.ws.Close())
	until(t, "the terminal is gone", func() bool { return s.Stats().Terminals == 0 && s.Stats().Connections == 0 })
	check()
}
