package main

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/coderscale/scaletest/harness"
)

func TestTheExitCodeIsThatOfTheVerdictWhichDecides(t *testing.T) {
	t.Parallel()
	of := func(v harness.Verdict) error { return verdictError("TestX", v, []string{"a reason"}) }
	for _, c := range []struct {
		errs []error
		want int
	}{
		{nil, exitOK},
		{[]error{of(harness.Pass), nil}, exitOK},
		{[]error{of(harness.Fail)}, exitFail},
		{[]error{of(harness.Invalid)}, exitInvalid},
		{[]error{of(harness.Interrupted)}, exitInterrupted},
		{[]error{of(harness.Error)}, exitError},
		{[]error{of(harness.Invalid), of(harness.Pass), of(harness.Fail)}, exitFail},
		{[]error{worst(of(harness.Interrupted)), of(harness.Invalid)}, exitInvalid},
		{[]error{errors.New("nobody came"), of(harness.Fail)}, exitError},
		{[]error{worst(errors.New("nobody came"), of(harness.Fail)), of(harness.Fail)}, exitError},
	} {
		err := worst(c.errs...)
		got := exitOK
		if coded, ok := errors.AsType[codedError](err); ok {
			got = coded.code
		} else if err != nil {
			got = exitError
		}
		assert.Equal(t, c.want, got, "%v", c.errs)
	}
	assert.EqualError(t, of(harness.Fail), "TestX: the verdict is fail: a reason")
	assert.EqualError(t, verdictError("", harness.Invalid, nil), "the verdict is invalid: no reason is known")
}
