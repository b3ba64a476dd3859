package report_test

import (
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
