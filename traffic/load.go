package traffic

import (
	"errors"
	"fmt"
	"time"
)

// Sizes in bytes, for [Load] and others.
const (
	KiB = 1 << 10
	MiB = 1 << 20
)

// Load is what one connection sends: so many bytes at each event of a shape.
type Load struct {
	BytesPerTick int   // bytes of payload each tick, at least 1
	Shape        Shape // when the ticks are due
}

// Constant sends bytesPerTick bytes each interval.
func Constant(bytesPerTick int, interval time.Duration) Load {
	return Load{BytesPerTick: bytesPerTick, Shape: Every(interval)}
}

// Validate reports everything that is wrong with the load.
func (l Load) Validate() error {
	var errs []error
	if l.BytesPerTick < 1 {
		errs = append(errs, fmt.Errorf("bytes per tick is %d, want at least 1", l.BytesPerTick))
	}
	if l.BytesPerTick > 256*MiB {
		errs = append(errs, fmt.Errorf("bytes per tick is %d, want at most 256 MiB", l.BytesPerTick))
	}
	if l.Shape == nil {
		errs = append(errs, errors.New("the load has no shape: it says how much to send, but not when"))
	} else {
		errs = append(errs, l.Shape.Validate())
	}
	return errors.Join(errs...)
}

// String describes the load in one human line.
func (l Load) String() string { return fmt.Sprintf("%s at %v", sizeString(l.BytesPerTick), l.Shape) }

// sizeString prints bytes in the largest unit that divides them.
func sizeString(n int) string {
	switch {
	case n >= MiB && n%MiB == 0:
		return fmt.Sprintf("%d MiB", n/MiB)
	case n >= KiB && n%KiB == 0:
		return fmt.Sprintf("%d KiB", n/KiB)
	}
	return fmt.Sprintf("%d B", n)
}
