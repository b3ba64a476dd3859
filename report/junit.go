package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitProblem `xml:"failure"`
	Error   *junitProblem `xml:"error"`
	Skipped *junitProblem `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

// shownFailures are the failed runs whose logs a report shows: continuous
// integration keeps reports in memory, and a log may have 64 KiB.
const shownFailures = 10

// JUnit writes results as JUnit's XML, which continuous integration shows: a
// suite for each result, with a case "verdict", for each scenario a case "runs"
// and one for each threshold, and one for each disruption, which is an error if it
// could not be done. How the generator was is a property. A verdict of fail is a failure; error,
// interrupted and invalid are errors, because they say nothing about what was
// tested. "runs" fails if any run failed while the verdict was not pass, and
// shows the errors and logs of the first ten. Its output has what became of
// connections, and what did not count.
func JUnit(w io.Writer, results ...*harness.Result) error {
	all := junitSuites{Suites: []junitSuite{}}
	seconds := 0.0
	for _, res := range results {
		s := suite(res)
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		seconds += res.Seconds
		all.Suites = append(all.Suites, s)
	}
	all.Time = fixed(seconds)
	text, err := xml.MarshalIndent(all, "", " ")
	if err == nil {
		_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, text)
	}
	if err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	return nil
}

func suite(res *harness.Result) junitSuite {
	name := res.Name
	if name == "" {
		name = res.RunID
	}
	s := junitSuite{Name: name, Time: fixed(res.Seconds), Timestamp: res.StartedAt.UTC().Format("2006-01-02T15:04:05")}
	s.Properties = append(s.Properties, junitProperty{"run_id", res.RunID}, junitProperty{"seed", fmt.Sprint(res.Seed)})
	for _, key := range sorted(res.Target) {
		s.Properties = append(s.Properties, junitProperty{"target." + key, res.Target[key]})
	}
	for _, key := range sorted(res.Configuration) {
		s.Properties = append(s.Properties, junitProperty{key, res.Configuration[key]})
	}
	if text := watched(res.Generator); text != "" {
		s.Properties = append(s.Properties, junitProperty{"generator", text})
	}
	verdict := junitCase{Class: name, Name: "verdict", Time: fixed(res.Seconds)}
	if res.Verdict != harness.Pass {
		p := &junitProblem{Message: first(res.Reasons, string(res.Verdict)), Type: string(res.Verdict), Text: strings.Join(res.Reasons, "\n")}
		if res.Verdict == harness.Fail {
			verdict.Failure = p
		} else {
			verdict.Error = p
		}
	}
	s.Cases = append(s.Cases, verdict)
	for i := range res.Scenarios {
		s.Cases = append(s.Cases, cases(res, &res.Scenarios[i], name)...)
	}
	for i := range res.Disruptions {
		s.Cases = append(s.Cases, disruptionCase(&res.Disruptions[i], name))
	}
	for _, c := range s.Cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
	return s
}

func cases(res *harness.Result, s *harness.ScenarioResult, name string) []junitCase {
	class := name + "." + s.Name
	it := s.Iterations
	runs := junitCase{Class: class, Name: "runs", Time: fixed(s.LoadSeconds), Out: said(s)}
	if failed := it.Failed + it.SetupFailed; failed > 0 && res.Verdict != harness.Pass {
		runs.Failure = &junitProblem{
			Message: fmt.Sprintf("%d of %d runs failed", failed, it.Started+it.SetupFailed),
			Type:    "runs", Text: failureText(s),
		}
	}
	out := []junitCase{runs}
	for _, t := range s.Thresholds {
		c := junitCase{Class: class, Name: t.Threshold, Time: fixed(0)}
		switch {
		case t.Undecided:
			c.Skipped = &junitProblem{Message: t.Message}
		case !t.Passed:
			c.Failure = &junitProblem{Message: t.Message, Type: "threshold"}
		}
		out = append(out, c)
	}
	return out
}

// disruptionCase says what was noticed of a disruption. That it is not recovered
// from is no failure: a threshold says what is to hold.
func disruptionCase(d *harness.DisruptionResult, class string) junitCase {
	c := junitCase{Class: class, Name: "disruption " + d.Name, Time: fixed(d.Seconds)}
	if d.Error != "" {
		c.Error = &junitProblem{Message: d.Error, Type: "disruption"}
	}
	lines := []string{outcome(d)}
	for i := range d.Scenarios {
		lines = append(lines, d.Scenarios[i].Name+": before, during, after")
		for _, row := range disruptedRows(&d.Scenarios[i]) {
			cells := row.cells[:]
			for j := range cells {
				if cells[j] == "" {
					cells[j] = "-"
				}
			}
			lines = append(lines, "  "+row.name+": "+strings.Join(cells, ", "))
		}
	}
	c.Out = strings.Join(lines, "\n")
	return c
}

// failureText shows failed runs, the first ones with their logs.
func failureText(s *harness.ScenarioResult) string {
	var b strings.Builder
	for i, f := range s.Failures {
		fmt.Fprintf(&b, "user %d, iteration %d, %s: %s\n", f.User, f.Iteration, f.Phase, f.Error)
		if i < shownFailures {
			b.WriteString(f.Stack)
			b.WriteString(f.Log)
		}
	}
	if s.MoreFailures > 0 {
		fmt.Fprintf(&b, "%d more\n", s.MoreFailures)
	}
	return b.String()
}

func first(list []string, otherwise string) string {
	if len(list) == 0 {
		return otherwise
	}
	return list[0]
}

func fixed(seconds float64) string { return fmt.Sprintf("%.3f", seconds) }
