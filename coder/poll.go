package coder

import "time"

// PollInterval is the longest pause between two looks at something that is waited
// for, as Config.PollInterval has it, for those who look themselves.
func (c *Client) PollInterval() time.Duration { return c.shared.pollInterval }
