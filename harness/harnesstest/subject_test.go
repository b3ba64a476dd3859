package harnesstest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/harness/harnesstest"
)

func TestEverythingThatIsWrongWithASubjectIsSaid(t *testing.T) {
	err := harnesstest.Find(t.Context(), harnesstest.Subject{
		Hold: -1, Points: -1, MayRecord: []string{"call_[", ""},
		Exempt: map[harnesstest.Check]string{"manners": "it has none", harnesstest.Leaks: " "},
	})
	for _, want := range []string{
		"there is no New", "Hold is negative", "Points is negative", `MayRecord has "call_["`, `MayRecord has ""`,
		`there is no check "manners" to be exempt from, want one of [records done`, `the exemption from "leaks" has no reason`,
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestWhyASubjectCanNotBeTriedIsSaid(t *testing.T) {
	broken := errors.New("it is broken")
	for _, tt := range []struct {
		new  func(*harnesstest.Env) (func(int) (harness.Runner, error), error)
		want string
	}{
		{func(*harnesstest.Env) (func(int) (harness.Runner, error), error) { return nil, broken }, "the subject's New failed: it is broken"},
		{func(*harnesstest.Env) (func(int) (harness.Runner, error), error) {
			return func(int) (harness.Runner, error) { return nil, broken }, nil
		}, "user 0: it is broken"},
		{func(*harnesstest.Env) (func(int) (harness.Runner, error), error) {
			return func(int) (harness.Runner, error) { return nil, nil }, nil
		}, "user 0: there is no runner and no error"},
	} {
		require.ErrorContains(t, harnesstest.Find(t.Context(), harnesstest.Subject{New: tt.new}), tt.want)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	require.ErrorIs(t, harnesstest.Find(ctx, clerks(t, none, nil)), broken)
}

func TestASubjectThatGoesByNoEnvIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := harnesstest.Subject{New: func(*harnesstest.Env) (func(int) (harness.Runner, error), error) {
			return func(int) (harness.Runner, error) {
				return harness.RunnerFunc(func(ctx context.Context, _ *harness.Recorder) error { return ctx.Err() }), nil
			}, nil
		}}
		found := findings(t, s)
		require.Len(t, found, 1)
		require.Equal(t, harnesstest.CleansUp, found[0].Check)
		require.Contains(t, found[0].What, "no operation went through the Env")
		s.Exempt = map[harnesstest.Check]string{harnesstest.CleansUp: "there is no other side"}
		require.Empty(t, findings(t, s))
	})
}

func TestAnExemptRunnerIsNotHeldToThatCheckAndToAllOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := clerks(t, notesAfterwards, nil)
		s.Exempt = map[harnesstest.Check]string{harnesstest.CleansUp: "names are for ever here"}
		require.Empty(t, findings(t, s))
		s = clerks(t, leavesAConnection, nil)
		s.Exempt = map[harnesstest.Check]string{harnesstest.CleansUp: "names are for ever here"}
		require.NotEmpty(t, findings(t, s))
	})
}

// tb is a test that somebody else looks at.
type tb struct {
	ctx          context.Context
	logs, errors []string
}

func (t *tb) Helper()                   {}
func (t *tb) Context() context.Context  { return t.ctx }
func (t *tb) Logf(f string, a ...any)   { t.logs = append(t.logs, fmt.Sprintf(f, a...)) }
func (t *tb) Errorf(f string, a ...any) { t.errors = append(t.errors, fmt.Sprintf(f, a...)) }

func TestEachFindingIsAnErrorOfTheTestAndEachExemptionIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good := &tb{ctx: t.Context()}
		s := clerks(t, none, nil)
		s.Exempt = map[harnesstest.Check]string{harnesstest.Beside: "there is one of a kind"}
		harnesstest.TestRunner(good, s)
		require.Empty(t, good.errors)
		require.Equal(t, []string{
			`harnesstest: not held to "beside": there is one of a kind`,
			"harnesstest: 11 of 12 checks were tried, and hold",
		}, good.logs)

		bad := &tb{ctx: t.Context()}
		harnesstest.TestRunner(bad, clerks(t, needsARun, nil))
		require.Len(t, bad.errors, 2)
		require.Contains(t, bad.errors[0], "unbegun: Cleanup was called of a runner that was made and did nothing: it failed: there was no run; want: ")
		require.Contains(t, bad.errors[1], "cleans up: the ")

		wrong := &tb{ctx: t.Context()}
		harnesstest.TestRunner(wrong, harnesstest.Subject{Hold: -1})
		require.Equal(t, 2, len(wrong.errors), "%v", wrong.errors)
	})
}

func TestEveryCheckIsOfTheList(t *testing.T) {
	require.Len(t, harnesstest.Checks(), 12)
	seen := map[harnesstest.Check]bool{}
	for _, c := range harnesstest.Checks() {
		require.False(t, seen[c], "%s", c)
		seen[c] = true
	}
}
