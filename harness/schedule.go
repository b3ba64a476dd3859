package harness

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Schedule says how many users there are and when each of their iterations is
// meant to start. There are two kinds:
//
//   - Closed, for users who go on when they are done: [AllAtOnce], [AtATime],
//     [OneByOne], [PerUserIterations], [SharedIterations], [RampUsers]. A slow
//     server slows them down.
//   - Open, for people who come whether or not the others have been served:
//     [ConstantArrivals], [RampingArrivals], [SteppedArrivals], [SpikeArrivals],
//     [SineArrivals], [PoissonArrivals], [ReplayArrivals], or [Arrivals] of any
//     shape.
type Schedule interface {
	// Users is how many virtual users the schedule needs.
	Users() int

	// Length is how long iterations are started for, and 0 if that depends on
	// how long they take.
	Length() time.Duration

	// Validate reports everything that is wrong with the schedule.
	Validate() error

	// String describes the schedule in one human line.
	String() string

	drive(d *driver)
}

// shuffle is the order of users: their own, or a random one.
type shuffle struct {
	on   bool
	seed uint64
}

func (s shuffle) order(users int) []int {
	if s.on {
		return rand.New(rand.NewPCG(s.seed, 0)).Perm(users)
	}
	order := make([]int, users)
	for i := range order {
		order[i] = i
	}
	return order
}

// String is the end of a schedule's line.
func (s shuffle) String() string {
	if !s.on {
		return ""
	}
	return fmt.Sprintf(", shuffled with seed %d", s.seed)
}

// planned is a schedule that may know how many iterations a shard is
// to have when so many of its users are ready; its length is then a guess. 0 is not
// known.
type planned interface {
	iterations(ready int64, of Shard) int64
}
