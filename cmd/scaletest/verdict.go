package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/coderscale/scaletest/harness"
)

// Exit codes by the verdict. 1 is that something could not be done, 2 that it was asked
// for in a wrong way.
const (
	exitFail        = 3
	exitInvalid     = 4
	exitInterrupted = 5
)

// verdictError is what a verdict ends a command with; nil for a pass. What has it, such
// as a test, comes before.
func verdictError(what string, v harness.Verdict, reasons []string) error {
	if v == harness.Pass {
		return nil
	}
	if what != "" {
		what += ": "
	}
	reason := "no reason is known"
	if len(reasons) > 0 {
		reason = reasons[0]
	}
	err := fmt.Errorf("%sthe verdict is %s: %s", what, v, reason)
	code, ok := map[harness.Verdict]int{harness.Fail: exitFail, harness.Invalid: exitInvalid, harness.Interrupted: exitInterrupted}[v]
	if !ok {
		return err
	}
	return codedError{err, code}
}

// worst joins errors. The exit code is 1 if one of them has none, and that of the
// verdict that decides otherwise: one that failed did so whatever the others say.
func worst(errs ...error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	code := 0
	for _, err := range errs {
		coded, ok := errors.AsType[codedError](err)
		if !ok {
			return uncoded{errors.Join(errs...)}
		}
		if code == 0 || coded.code < code {
			code = coded.code
		}
	}
	if len(errs) == 0 {
		return nil
	}
	return codedError{errors.Join(errs...), code}
}

// uncoded hides the codes of what it is made of.
type uncoded struct{ error }
