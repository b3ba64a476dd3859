package report_test

import (
	"errors"
	"fmt"
	"os"

	"github.com/coderscale/scaletest/harness"
	"github.com/coderscale/scaletest/report"
)

func ExampleCSV() {
	res := &harness.Result{Name: "TestLogin", RunID: "ab12", Verdict: harness.Pass, Scenarios: []harness.ScenarioResult{{
		Name: "people", Counters: map[string]int64{"logins": 20},
	}}}
	if err := report.CSV(os.Stdout, res); err != nil {
		fmt.Println(err)
	}
	// Output:
	// run_id,test,verdict,scenario,kind,name,count,errors,response_min_seconds,response_mean_seconds,response_p50_seconds,response_p90_seconds,response_p95_seconds,response_p99_seconds,response_p999_seconds,response_max_seconds,service_min_seconds,service_mean_seconds,service_p50_seconds,service_p90_seconds,service_p95_seconds,service_p99_seconds,service_p999_seconds,service_max_seconds
	// ab12,TestLogin,pass,people,iteration,iteration,0,0,,,,,,,,,,,,,,,,
	// ab12,TestLogin,pass,people,lag,lag,0,,,,,,,,,,,,,,,,,
	// ab12,TestLogin,pass,people,counter,logins,20,,,,,,,,,,,,,,,,,
}

func ExampleHTML() {
	// One page of all runs in a folder, also of those that were killed.
	results, err := report.Read("testdata/result_v1.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	file, err := os.CreateTemp("", "report-*.html")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.Remove(file.Name())
	if err := errors.Join(report.HTML(file, results...), file.Close()); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(results), "run")
	// Output: 1 run
}

func ExampleGitHub() {
	res := &harness.Result{Name: "TestTerminals", Verdict: harness.Fail, Reasons: []string{"terminals: echo: p(99)<250ms is broken: 312ms"}}
	if err := report.GitHub(os.Stdout, res); err != nil {
		fmt.Println(err)
	}
	// Output: ::error title=TestTerminals%3A fail::terminals: echo: p(99)<250ms is broken: 312ms
}
