//go:build !linux

package traffic

import (
	"errors"
	"time"
)

// poller does not exist here: each connection has a goroutine that reads.
type poller struct{}

const canPoll = false

func newPoller() (*poller, error) { return nil, errors.New("there is no poller on this system") }

func (p *poller) close()                 {}
func (p *poller) wake()                  {}
func (p *poller) wait(time.Duration)     {}
func (p *poller) watch(*pollEntry) error { return errors.New("there is no poller on this system") }
func (p *poller) forget(*pollEntry)      {}
