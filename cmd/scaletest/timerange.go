package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder/codertest"
)

// timeRange is a flag that takes one time or a range of them.
type timeRange codertest.Latency

// String implements [flag.Value].
func (r *timeRange) String() string {
	switch {
	case r == nil || *r == timeRange{}:
		return ""
	case r.Max == 0:
		return r.Min.String()
	}
	return r.Min.String() + ".." + r.Max.String()
}

// Set implements [flag.Value].
func (r *timeRange) Set(s string) error {
	low, high, isRange := strings.Cut(s, "..")
	var parsed timeRange
	var err error
	if parsed.Min, err = time.ParseDuration(low); err == nil && isRange {
		parsed.Max, err = time.ParseDuration(high)
	}
	if err != nil {
		return fmt.Errorf("want a time such as 500ms or a range such as 1s..2s")
	}
	if err := codertest.Latency(parsed).Validate(); err != nil {
		return err
	}
	if parsed == (timeRange{}) {
		parsed.Min = 1 // the zero value would mean the default
	}
	*r = parsed
	return nil
}
