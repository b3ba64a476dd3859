package harness

import (
	"bytes"
	"errors"
	"fmt"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

// labelKey marks goroutines, so that a stuck one can be found among all.
const labelKey = "harness_user"

// stackAge is how old a picture of all goroutines may be. When ten thousand
// runners are stuck at once, one picture serves them all.
const stackAge = time.Second

// stacks finds where stuck runners are.
type stacks struct {
	mu      sync.Mutex
	taken   time.Time
	picture []string // one block for each group of goroutines
}

// of returns the stacks of the goroutines with a label, also of those that
// they started.
func (s *stacks) of(label string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.taken) < stackAge {
		if text := s.search(label); text != "" {
			return text
		}
	}
	var all bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		return ""
	}
	s.taken, s.picture = time.Now(), strings.Split(all.String(), "\n\n")
	return s.search(label)
}

func (s *stacks) search(label string) string {
	want := fmt.Sprintf("%q:%q", labelKey, label)
	var found []string
	for _, block := range s.picture {
		if strings.Contains(block, want) {
			found = append(found, block)
		}
	}
	return strings.Join(found, "\n\n")
}

// stackOf returns the stack that belongs to a user's error, if any. A stuck
// one's is looked for only now, when its failure is kept.
func (s *scenarioRun) stackOf(u *user, err error) string {
	if e, ok := errors.AsType[*PanicError](err); ok {
		return e.Stack
	}
	if e, ok := errors.AsType[*StuckError](err); ok {
		e.Stack = s.run.stacks.of(u.label)
		return e.Stack
	}
	return ""
}
