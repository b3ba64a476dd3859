package coderdmetrics_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/coderscale/scaletest/coder/coderdmetrics"
)

// exampleReplica stands for the Prometheus listener of a replica.
func exampleReplica() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `# TYPE coderd_build_info gauge
coderd_build_info{revision="",version="v2.37.0"} 1
# TYPE go_sched_gomaxprocs_threads gauge
go_sched_gomaxprocs_threads 4
# TYPE go_sql_in_use_connections gauge
go_sql_in_use_connections{db_name=""} 10
# TYPE go_sql_max_open_connections gauge
go_sql_max_open_connections{db_name=""} 10
`)
	}))
}

func ExampleWatcher() {
	one, two := exampleReplica(), exampleReplica()
	defer one.Close()
	defer two.Close()

	watcher, err := coderdmetrics.New(coderdmetrics.Config{URLs: []string{one.URL, two.URL}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer watcher.Close()

	// Every few seconds; rates begin with the second one.
	reading, err := watcher.Scrape(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, v := range reading.Values {
		if v.Of == "" {
			fmt.Println(v.Series, v.Value)
		}
	}
	fmt.Println(reading.Facts["replicas"], "replicas of", reading.Facts["version"])
	fmt.Println(reading.Notes[0])
	// Output:
	// cpu_limit 8
	// db_in_use 20
	// db_max 20
	// 2 replicas of v2.37.0
	// coderd does not say what CPU and memory it uses: set CODER_PROMETHEUS_ENABLE=true on the server
}
