package scaletest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/runners"
	"github.com/coderscale/scaletest/traffic"
)

// The whole of a scale test: ten web terminals that type 4 KiB every 100 ms,
// against the deployment that CODER_URL names, or against an embedded one.
func Example() {
	t := newT() // the *testing.T, when this is a test
	defer t.end()

	target := scaletest.Connect(t)
	result := scaletest.Run(t, harness.Scenario{
		Name:     "terminals",
		Runner:   runners.Terminal(target.Workspaces(t), traffic.Constant(4*traffic.KiB, 100*time.Millisecond)),
		Schedule: harness.AllAtOnce(10).Hold(time.Second),
		Thresholds: []harness.Threshold{
			harness.Rate("errors").Below(0.001),
		},
	})

	s := result.Scenarios[0]
	fmt.Println(result.Verdict, s.Schedule)
	fmt.Println("every byte came back:", s.Actions["echo"].Errors == 0)
	// Output:
	// pass 10 users at once for 1s
	// every byte came back: true
}

// How many people may ask at the same time? The load grows until a threshold
// breaks, or to the highest that anybody cares for.
func ExampleFindLimit() {
	t := newT() // the *testing.T, when this is a test
	defer t.end()

	target := scaletest.Connect(t)
	limit := scaletest.FindLimit(t, harness.Search{
		Of: "people", From: 2, To: 16,
		Rest: -1, // it is 10 seconds otherwise, in which a deployment comes to rest
		Plan: func(load float64) (harness.Plan, error) {
			return harness.Plan{Scenarios: []harness.Scenario{{
				Name:       "people",
				Runner:     runners.API([]runners.Person{target.Self()}, runners.APICall{Path: "/api/v2/templates"}),
				Schedule:   harness.AllAtOnce(int(load)),
				Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.01)},
			}}}, nil
		},
	})
	if limit.Holds < 10 {
		t.Errorf("want 10 people at least: %v", limit)
	}
	fmt.Println(limit)
	// Output: at least 16 people, 96 % certain
}

var addToCart = harness.NewAction("add_to_cart")

// shopper is somebody who has nothing to do with Coder.
type shopper struct{ shop map[string]int }

func (s shopper) Run(ctx context.Context, rec *harness.Recorder) error {
	return rec.Do(ctx, addToCart, func(context.Context) error {
		if s.shop["bread"] == 0 {
			return fmt.Errorf("no bread left")
		}
		return nil
	})
}

// Another repository can load whatever it likes: package harness knows nothing
// of Coder, and reads no environment.
func Example_anotherRepository() {
	shop := map[string]int{"bread": 1000}
	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:       "shopping",
		Runner:     func(int) (harness.Runner, error) { return shopper{shop}, nil },
		Schedule:   harness.ConstantArrivals(200, 500*time.Millisecond, 10), // 200 a second for half a second, 10 at a time
		Thresholds: []harness.Threshold{harness.Rate("errors").Below(0.01)},
	}}})
	if err != nil {
		fmt.Println(err) // everything that is wrong with the plan
		return
	}
	result := run.Wait()
	fmt.Println(result.Verdict, result.Scenarios[0].Actions["add_to_cart"].Count)
	// Output: pass 100
}

var listTemplates = harness.NewAction("list_templates")

// newcomer is a person of one's own: somebody who looks at the templates.
type newcomer struct{ client *coder.Client }

func (n newcomer) Run(ctx context.Context, rec *harness.Recorder) error {
	return rec.Do(ctx, listTemplates, func(ctx context.Context) error {
		_, err := n.client.Templates(ctx)
		return err
	})
}

// A runner of one's own is one method. Each user has a client of his own, with
// connections of his own, as a browser has.
func Example_customRunner() {
	t := newT() // the *testing.T, when this is a test
	defer t.end()

	target := scaletest.Connect(t)
	result := scaletest.Run(t, harness.Scenario{
		Name:     "newcomers",
		Schedule: harness.AllAtOnce(20),
		Runner: func(int) (harness.Runner, error) {
			return newcomer{target.Client().Isolated()}, nil
		},
		Thresholds: []harness.Threshold{
			harness.P99("list_templates").Below(time.Minute),
			harness.Rate("errors").Below(0.01),
		},
	})
	fmt.Println(result.Verdict, result.Scenarios[0].Actions["list_templates"].Count)
	// Output: pass 20
}

// Without a test around it, codertest is a deployment to develop against.
func Example_codertest() {
	deployment, err := codertest.New(codertest.Config{Workspaces: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer deployment.Close()
	client, err := coder.New(coder.Config{URL: deployment.URL(), Token: deployment.OwnerToken()})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.CloseIdleConnections()

	run, err := harness.Start(context.Background(), harness.Plan{Scenarios: []harness.Scenario{{
		Name:     "newcomers",
		Schedule: harness.OneByOne(5),
		Runner:   func(int) (harness.Runner, error) { return newcomer{client}, nil },
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait().Verdict)
	// Output: pass
}

// A benchmark has the same scenario, and gives lines that benchstat compares.
// go test runs it with -bench . -benchtime=1x -count=6.
func ExampleBench() {
	defer newT().end()

	BenchmarkTerminals := func(b *testing.B) {
		target := scaletest.Connect(b)
		scaletest.Bench(b, harness.Scenario{
			Name:     "terminals",
			Runner:   runners.Terminal(target.Workspaces(b), traffic.Constant(traffic.KiB, 20*time.Millisecond)),
			Schedule: harness.AllAtOnce(5).Hold(500 * time.Millisecond),
		})
	}
	line := testing.Benchmark(BenchmarkTerminals).Extra
	fmt.Println(line["p50-ns"] > 0, line["p99-ns"] >= line["p50-ns"], line["MB/s"] > 0, line["errors/op"])
	// Output: true true true 0
}

// A threshold in code and the same as text, as CODER_SCALETEST_THRESHOLDS has
// it. The environment replaces the thresholds of the scenario that it names.
func Example_thresholds() {
	fmt.Println(harness.P99("echo").Below(250 * time.Millisecond))
	fmt.Println(harness.Rate("errors").Below(0.01))

	byScenario, err := harness.ParseThresholds("terminals/echo: p(99)<250ms; terminals/errors: rate<1%")
	fmt.Println(byScenario["terminals"], err)

	_, err = harness.ParseThreshold("echo: p(99)<250")
	fmt.Println(err)
	// Output:
	// echo: p(99)<250ms
	// errors: rate<0.01
	// [echo: p(99)<250ms errors: rate<0.01] <nil>
	// threshold "echo: p(99)<250": the limit "250" is not a time with a unit, such as 250ms
}

// sdkClient stands for the client of Coder's own Go module, which has these
// two fields and this method.
type sdkClient struct {
	URL        *url.URL
	HTTPClient *http.Client
	token      string
}

func (c *sdkClient) SessionToken() string { return c.token }

// Somebody who holds a client of Coder's own SDK passes on what it is made of.
func ExampleConnectClient() {
	t := newT() // the *testing.T, when this is a test
	defer t.end()
	sdk := newSDKClient(t)

	client, err := coder.New(coder.Config{
		URL:        sdk.URL.String(),
		Token:      sdk.SessionToken(),
		HTTPClient: sdk.HTTPClient,
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
	target := scaletest.ConnectClient(t, client)
	result := scaletest.Run(t, harness.Scenario{
		Name:     "terminals",
		Runner:   runners.Terminal(target.Workspaces(t), traffic.Constant(traffic.KiB, 50*time.Millisecond)),
		Schedule: harness.AllAtOnce(3).Hold(500 * time.Millisecond),
	})
	fmt.Println(target.Version(), result.Verdict)
	// Output: v2.37.0 pass
}
