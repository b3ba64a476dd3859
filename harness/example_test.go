package harness_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/traffic"
)

var login = harness.NewAction("login")

// person is a runner of one's own. Only Run is needed.
type person struct{ name string }

func (p person) Run(ctx context.Context, rec *harness.Recorder) error {
	return rec.Do(ctx, login, func(ctx context.Context) error {
		rec.Logf("%s logs in", p.name) // shown when this run fails
		return ctx.Err()
	})
}

// A load test is a plan of scenarios. Its result says whether it passed, and
// why not.
func Example() {
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "logins",
		Schedule: harness.AllAtOnce(100),
		Runner: func(user int) (harness.Runner, error) {
			return person{name: fmt.Sprint("person ", user)}, nil
		},
		Thresholds: []harness.Threshold{
			harness.P99("login").Below(10 * time.Second),
			harness.Rate("errors").Below(0.01),
		},
	}}})
	if err != nil {
		fmt.Println(err) // everything that is wrong with the plan
		return
	}
	result := run.Wait()
	fmt.Println(result.Verdict)
	for _, s := range result.Scenarios {
		fmt.Println(s.Name, s.Schedule, s.Actions["login"].Count)
	}
	// Output:
	// pass
	// logins 100 users at once 100
}

// customer gets ready before the load begins, and leaves nothing behind.
type customer struct{ basket []string }

func (c *customer) Setup(context.Context, *harness.Recorder) error {
	c.basket = append(c.basket, "bread")
	return nil
}

func (c *customer) Run(context.Context, *harness.Recorder) error {
	fmt.Println("buys", c.basket)
	return nil
}

func (c *customer) Cleanup(context.Context) error {
	fmt.Println("goes home")
	return nil
}

func ExampleCleaner() {
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "shopping",
		Schedule: harness.OneByOne(1),
		Runner:   func(int) (harness.Runner, error) { return &customer{}, nil },
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait().Cleanup.Cleaned)
	// Output:
	// buys [bread]
	// goes home
	// 1
}

func ExampleThreshold() {
	typed := harness.P99("login").Below(250 * time.Millisecond)
	parsed, err := harness.ParseThreshold("login: p(99)<250ms")
	fmt.Println(typed, err)
	fmt.Println(typed == parsed)
	// Output:
	// login: p(99)<250ms <nil>
	// true
}

// A broken threshold fails the run; so does one without samples, because
// nothing was shown.
func ExampleThreshold_failed() {
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "logins",
		Schedule: harness.AllAtOnce(4),
		Runner: func(user int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				if user == 0 {
					return errors.New("wrong password")
				}
				return nil
			}), nil
		},
		Thresholds: []harness.Threshold{
			harness.Rate("errors").Below(0.01),
			harness.P99("login").Below(time.Second),
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	result := run.Wait()
	fmt.Println(result.Verdict)
	for _, reason := range result.Reasons {
		fmt.Println(reason)
	}
	// Output:
	// fail
	// logins: errors: rate<0.01 is broken: 0.25
	// logins: login: p(99)<1s: no samples
}

// What a person would call stopping early: those who run may finish.
func ExampleRun_Stop() {
	running := make(chan struct{})
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "visitors",
		Schedule: harness.AllAtOnce(1).Hold(time.Hour),
		Runner: func(int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				close(running)
				<-rec.Done() // finish what you are doing and return
				return nil
			}), nil
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-running
	run.Stop()
	result := run.Wait()
	fmt.Println(result.Verdict, result.Reasons)
	fmt.Println(result.Scenarios[0].Iterations.Succeeded, "finished")
	// Output:
	// interrupted [the run was stopped before its end]
	// 1 finished
}

func ExampleConstantArrivals() {
	fmt.Println(harness.ConstantArrivals(20, time.Minute, 100))
	fmt.Println(harness.AtATime(50, 5).Shuffled(1))
	fmt.Println(harness.AllAtOnce(200).Hold(10 * time.Minute))
	// Output:
	// arrivals at 20/s for 1m0s on 100 users
	// 50 users, 5 at a time, shuffled with seed 1
	// 200 users at once for 10m0s
}

// People come faster and faster, then at a steady rate, then fewer and fewer.
func ExampleRampingArrivals() {
	fmt.Println(harness.RampingArrivals(100,
		traffic.Stage{To: 50, Over: time.Minute},
		traffic.Stage{To: 50, Over: 5 * time.Minute},
		traffic.Stage{To: 0, Over: time.Minute}))
	// Output:
	// arrivals at 0/s to 50/s over 1m0s, then 50/s for 5m0s, then 50/s to 0/s over 1m0s on 100 users
}

// Any shape is a schedule.
func ExampleArrivals() {
	fmt.Println(harness.SteppedArrivals(100, traffic.Step{PerSecond: 10, For: time.Minute}, traffic.Step{PerSecond: 20, For: time.Minute}))
	fmt.Println(harness.SpikeArrivals(traffic.Spikes{Base: 5, Peak: 100, Length: 10 * time.Second, Every: 2 * time.Minute}, 10*time.Minute, 100))
	fmt.Println(harness.SineArrivals(traffic.Sine{Mean: 20, Amplitude: 15, Period: 10 * time.Minute}, time.Hour, 100))
	fmt.Println(harness.PoissonArrivals(20, 1, time.Minute, 100))
	fmt.Println(harness.ReplayArrivals(traffic.Replay{0, time.Second, 3 * time.Second}, 100))
	fmt.Println(harness.Arrivals{Shape: traffic.Bursts{Size: 30, Every: time.Minute}, Duration: time.Hour, VirtualUsers: 30, MaxWait: 5 * time.Second})
	// Output:
	// arrivals at 10/s for 1m0s, then 20/s for 1m0s on 100 users
	// arrivals at 5/s with spikes of 100/s for 10s every 2m0s for 10m0s on 100 users
	// arrivals at 20/s ± 15/s with a period of 10m0s for 1h0m0s on 100 users
	// arrivals at 20/s at random (Poisson) for 1m0s on 100 users
	// arrivals at 3 recorded events over 3s on 100 users
	// arrivals at bursts of 30 every 1m0s for 1h0m0s on 30 users, dropped after waiting 5s
}

// Users come, stay, and leave when they have finished what they are doing.
func ExampleRampUsers() {
	fmt.Println(harness.RampUsers(200, 10*time.Second).Hold(time.Minute).To(0, 10*time.Second))
	fmt.Println(harness.SharedIterations(10_000, 50))
	fmt.Println(harness.PerUserIterations(20, 50).Staggered(100 * time.Millisecond))
	// Output:
	// users: 0 to 200 over 10s, then 200 for 1m0s, then 200 to 0 over 10s
	// 10000 iterations shared by 50 users
	// 50 users at once, 20 iterations each, each 100ms after the one before
}

// The first requests meet cold caches. They are shown, and decide nothing.
func ExampleScenario_warmUp() {
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "logins",
		Schedule: harness.ConstantArrivals(100, 200*time.Millisecond, 10),
		WarmUp:   100 * time.Millisecond,
		Runner:   func(int) (harness.Runner, error) { return person{name: "somebody"}, nil },
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	s := run.Wait().Scenarios[0]
	fmt.Println(s.WarmUp.Iterations.Succeeded, "in the warm-up,", s.Iterations.Succeeded, "count")
	// Output: 10 in the warm-up, 10 count
}

// Everybody connects, and nobody types before nine of ten are connected. One who
// can't connect holds up nobody.
func ExampleBarrier() {
	together := &harness.Barrier{Quorum: 0.9, Patience: 10 * time.Second}
	run, err := harness.Start(context.Background(), harness.Plan{MaxFailures: 1, Scenarios: []harness.Scenario{{
		Name:     "typists",
		Schedule: harness.AllAtOnce(10),
		Runner: together.Among(func(user int) (harness.Runner, error) {
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				if user == 7 {
					return errors.New("connection refused")
				}
				if err := together.Wait(ctx, rec); err != nil {
					return err
				}
				return rec.Do(ctx, login, func(context.Context) error { return nil }) // types
			}), nil
		}),
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	result := run.Wait()
	fmt.Println(result.Verdict, result.Scenarios[0].Iterations.Succeeded)
	// Output: pass 9
}

func ExampleResult_WriteFile() {
	dir, err := os.MkdirTemp("", "result")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "result.json")

	written := &harness.Result{SchemaVersion: harness.SchemaVersion, RunID: "example", Verdict: harness.Pass}
	if err := written.WriteFile(path); err != nil {
		fmt.Println(err)
		return
	}
	read, err := harness.ReadResult(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(read.RunID, read.Verdict)
	// Output: example pass
}

var region = harness.NewAction("region_call")

func ExampleAction_Tag() {
	// Made once: what is recorded for a tag counts for its action, too.
	in := map[string]harness.Action{"eu": region.Tag("region", "eu"), "us": region.Tag("region", "us")}
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name: "calls",
		Runner: func(user int) (harness.Runner, error) {
			name := []string{"eu", "us"}[user%2]
			return harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
				return rec.Do(ctx, in[name], func(context.Context) error { return nil })
			}), nil
		},
		Schedule: harness.PerUserIterations(5, 4),
		Thresholds: []harness.Threshold{
			harness.Count("region_call").AtLeast(20),
			harness.Count("region_call").Tagged("region", "eu").AtLeast(10),
			harness.Rate("errors").Below(0.5).AbortOnFail(10 * time.Second),
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range run.Wait().Scenarios[0].Thresholds {
		fmt.Println(t.Message)
	}
	// Output:
	// region_call: count>=20 holds: 20
	// region_call{region=eu}: count>=10 holds: 10
	// errors: rate<0.5 abort after 10s holds: 0
}

func ExampleDisruption() {
	lost := make(chan struct{}) // stands for a replica that goes away
	holds := harness.RunnerFunc(func(ctx context.Context, rec *harness.Recorder) error {
		conn := rec.Connected()
		defer conn.Close()
		gone := lost
		if rec.User()%4 != 0 {
			gone = nil // another replica
		}
		for {
			select {
			case <-gone:
				conn.Lost()
				conn.Restored() // dialed again
				gone = nil
			case <-rec.Done():
				return nil
			}
		}
	})
	run, err := harness.Start(context.Background(), harness.Plan{
		Scenarios: []harness.Scenario{{
			Name: "terminals", Runner: func(int) (harness.Runner, error) { return holds, nil },
			Schedule:   harness.AllAtOnce(40).Hold(300 * time.Millisecond),
			Thresholds: []harness.Threshold{harness.Rate("disconnects").In(harness.During).AtMost(0.25)},
		}},
		Disruptions: []harness.Disruption{{
			Name: "lose-replica", At: 100 * time.Millisecond,
			Do: func(context.Context) error { close(lost); return nil }, // or harness.Command("kubectl", ...)
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	res := run.Wait()
	c := res.Disruptions[0].Scenarios[0].During.Connections
	fmt.Printf("%d of %d connections were lost, %d came back\n", c.Lost, c.Count, c.Restored)
	fmt.Println(res.Scenarios[0].Thresholds[0].Message)
	// Output:
	// 10 of 40 connections were lost, 10 came back
	// disconnects@during: rate<=0.25 holds: 0.25
}

// Two processes make the load of one. Each writes its result; together they are
// the result of the whole.
func ExampleMerge() {
	plan := harness.Plan{
		RunID: "nightly-7", // the same in all shards
		Scenarios: []harness.Scenario{{
			Name: "visits", Schedule: harness.ConstantArrivals(100, 100*time.Millisecond, 20),
			Runner: func(int) (harness.Runner, error) {
				return harness.RunnerFunc(func(context.Context, *harness.Recorder) error { return nil }), nil
			},
			Thresholds: []harness.Threshold{harness.Rate("iteration_errors").Below(0.01)},
		}},
	}
	var results []*harness.Result
	for _, text := range []string{"1/2", "2/2"} { // each in a process of its own
		shard, err := harness.ParseShard(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		plan.Shard = shard
		run, err := harness.Start(context.Background(), plan)
		if err != nil {
			fmt.Println(err)
			return
		}
		results = append(results, run.Wait())
	}
	whole, err := harness.Merge(harness.MergeOptions{}, results...)
	if err != nil {
		fmt.Println(err)
		return
	}
	s := whole.Scenarios[0]
	fmt.Println(s.Iterations.Started, "starts by", s.Users, "users")
	fmt.Println(s.Thresholds[0].Message)
	// Output:
	// 10 starts by 20 users
	// iteration_errors: rate<0.01 holds: 0
}
