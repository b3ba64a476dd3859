package bottleneck

import (
	"cmp"
	"slices"

	"github.com/coderscale/scaletest/harness"
)

// Cause is what held the deployment back.
type Cause string

// The causes. The order is that of findings that are equally certain.
const (
	Generator    Cause = "generator"    // the machine that tests
	CPU          Cause = "cpu"          // of coderd
	Memory       Cause = "memory"       // of coderd
	Descriptors  Cause = "descriptors"  // file descriptors of coderd
	RateLimits   Cause = "rate-limits"  // of the API
	Database     Cause = "database"     // PostgreSQL, or the connections to it
	Provisioners Cause = "provisioners" // that make builds
	PubSub       Cause = "pubsub"       // messages between replicas
	Relay        Cause = "relay"        // DERP
	WebSockets   Cause = "websockets"   // whose other end does not answer
	Unexplained  Cause = "unexplained"  // slow times for which the server's side has no reason
	Unseen       Cause = "unseen"       // nobody saw the server's side
)

var order = []Cause{Generator, CPU, Memory, Descriptors, RateLimits, Database, Provisioners, PubSub, Relay, WebSockets, Unexplained, Unseen}

// Certainty is how much speaks for a finding.
type Certainty string

// The certainties.
const (
	Strong   Certainty = "strong"   // a limit was reached, and the server says so itself
	Likely   Certainty = "likely"   // the numbers are what one sees then
	Possible Certainty = "possible" // it is worth a look
)

var grades = []Certainty{Strong, Likely, Possible}

// weaker is a step less certain.
func (c Certainty) weaker() Certainty {
	return grades[min(slices.Index(grades, c)+1, len(grades)-1)]
}

// Finding is a probable bottleneck.
type Finding struct {
	Cause     Cause     `json:"cause"`
	Title     string    `json:"title"` // a sentence without its full stop
	Certainty Certainty `json:"certainty"`
	Evidence  []string  `json:"evidence"` // numbers with their units
	Try       []string  `json:"try"`      // what to change or set, the best first
}

// Find says what held the deployment back, the most certain first, and at most one
// finding of each cause. Nothing means that no limit was seen. A result in which
// nobody saw the server's side has a finding that says what would show it.
func Find(res *harness.Result) []Finding {
	if res == nil {
		return nil
	}
	v := viewOf(res)
	found := map[Cause]*Finding{}
	for i := range rules {
		if f, ok := v.evaluate(&rules[i]); ok {
			merge(found, f)
		}
	}
	if res.Verdict == harness.Invalid {
		merge(found, Finding{Cause: Generator, Title: "The generator could not keep up", Certainty: Strong,
			Evidence: res.Reasons[:min(len(res.Reasons), 3)], Try: generatorTry})
	}
	weaken(found)
	if f, ok := unexplained(res, v, found); ok {
		merge(found, f)
	}
	if f, ok := unseen(res); ok {
		merge(found, f)
	}
	out := []Finding{}
	for _, f := range found {
		if f.Evidence == nil {
			f.Evidence = []string{} // for JSON
		}
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(slices.Index(grades, a.Certainty)-slices.Index(grades, b.Certainty), slices.Index(order, a.Cause)-slices.Index(order, b.Cause))
	})
	return out
}

// merge puts findings of a cause together, under the title of the most certain.
func merge(found map[Cause]*Finding, f Finding) {
	old := found[f.Cause]
	if old == nil {
		f.Evidence, f.Try = slices.Clone(f.Evidence), slices.Clone(f.Try)
		found[f.Cause] = &f
		return
	}
	if slices.Index(grades, f.Certainty) < slices.Index(grades, old.Certainty) {
		old.Title, old.Certainty = f.Title, f.Certainty
		f.Evidence, old.Evidence = old.Evidence, slices.Clone(f.Evidence)
		f.Try, old.Try = old.Try, slices.Clone(f.Try)
	}
	old.Evidence, old.Try = union(old.Evidence, f.Evidence), union(old.Try, f.Try)
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// weaken takes a step off what may follow from another finding.
func weaken(found map[Cause]*Finding) {
	certain := func(c Cause) bool { return found[c] != nil && found[c].Certainty != Possible }
	generator, cpu := certain(Generator), certain(CPU)
	for cause, f := range found {
		if generator && cause != Generator {
			f.Certainty = f.Certainty.weaker()
		}
		if cpu && slices.Contains(ofCPU, cause) {
			f.Certainty = f.Certainty.weaker()
		}
	}
}

// ofCPU are the causes whose numbers also get worse when nobody has CPU.
var ofCPU = []Cause{Database, PubSub, Relay, WebSockets}

// mostNotes are shown as evidence of what was not seen.
const mostNotes = 5

// unexplained is said of times that are too long where nothing likely was found.
func unexplained(res *harness.Result, v *view, found map[Cause]*Finding) (f Finding, ok bool) {
	if !v.seen() || slices.ContainsFunc(order, func(c Cause) bool { return found[c] != nil && found[c].Certainty != Possible }) {
		return f, false
	}
	var slow []string
	for i := range res.Scenarios {
		for _, t := range res.Scenarios[i].Thresholds {
			parsed, err := harness.ParseThreshold(t.Threshold)
			if t.Passed || t.Undecided || err != nil || parsed.Metric == "lag" || parsed.Aggregate == "rate" || parsed.Aggregate == "count" {
				continue
			}
			slow = append(slow, res.Scenarios[i].Name+": "+t.Message)
		}
	}
	if len(slow) == 0 {
		return f, false
	}
	evidence := slow[:min(len(slow), 3)]
	for _, n := range res.Server.Notes[:min(len(res.Server.Notes), mostNotes)] {
		evidence = append(evidence, "not known: "+n)
	}
	return Finding{
		Cause: Unexplained, Title: "Nothing on the server explains the slow times", Certainty: Possible, Evidence: evidence,
		Try: []string{
			"look at the network between here and the deployment, and at the load balancer and proxies in front of it",
			"look at what is not measured here: the database's own machine, the workspaces' nodes, and what the notes name",
		},
	}, true
}

// unseen is said where there are no numbers of the server.
func unseen(res *harness.Result) (f Finding, ok bool) {
	f = Finding{Cause: Unseen, Certainty: Possible, Try: []string{
		"use an owner's token, with which CODER_SCALETEST_SERVER_METRICS unset reads GET /api/v2/debug/metrics of newer servers",
		"set CODER_PROMETHEUS_ENABLE=true and CODER_PROMETHEUS_COLLECT_DB_METRICS=true on the server, and CODER_SCALETEST_SERVER_METRICS to its replicas' addresses (CODER_PROMETHEUS_ADDRESS)",
	}}
	switch {
	case res.Server == nil:
		f.Title = "Nobody looked at the server's side"
	case len(res.Server.Series) == 0:
		f.Title = "The server's side could not be seen"
		f.Evidence = res.Server.Notes[:min(len(res.Server.Notes), mostNotes)]
	default:
		return f, false
	}
	return f, true
}
