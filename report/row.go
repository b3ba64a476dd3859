package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/coderscale/scaletest/harness"
)

// rowColumns are those of the table.
var rowColumns = []struct {
	title string
	value func(*harness.Result) string
	want  string // what would fill it in
}{
	{"Environment", known("environment"), "set CODER_SCALETEST_ENVIRONMENT, such as Kubernetes (GKE)"},
	{"Coder CPU", rowCPU, "set CODER_SCALETEST_SERVER_CPU, such as 4 cores"},
	{"Coder RAM", rowMemory, "set CODER_SCALETEST_SERVER_MEMORY, such as 8 GB"},
	{"Coder Replicas", rowReplicas, "set CODER_SCALETEST_SERVER_REPLICAS, such as 2"},
	{"Database", known("database"), "set CODER_SCALETEST_SERVER_DATABASE, such as db-custom-2-7680"},
	{"Users", rowUsers, "a scenario with users would tell"},
	{"Concurrent builds", rowBuilds, "coderd's metrics would tell"},
	{"Concurrent connections (terminal/SSH)", rowConnections, "a scenario with terminals, SSH or apps would tell"},
	{"Coder Version", known("version"), "the deployment would tell"},
	{"Last tested", func(res *harness.Result) string { return res.StartedAt.UTC().Format("Jan 2, 2006") }, ""},
}

// Row writes results as rows of a table in Markdown, with the columns of the
// table of scale tests that Coder publishes
// (https://coder.com/docs/admin/infrastructure/scale-utility): environment, CPU,
// memory and replicas of coderd, database, users, concurrent builds, concurrent
// connections, version and date. They are filled in from the deployment and its
// metrics, and from the target's facts, which win: environment, cpu, memory,
// replicas and database. What nothing tells is a blank, and below the table there
// is a line for each that says what would fill it in.
func Row(w io.Writer, results ...*harness.Result) error {
	var b strings.Builder
	for _, c := range rowColumns {
		fmt.Fprintf(&b, "| %s ", c.title)
	}
	b.WriteString("|\n" + strings.Repeat("|---", len(rowColumns)) + "|\n")
	blank := map[string]bool{}
	for _, res := range results {
		for _, c := range rowColumns {
			v := plain(c.value(res))
			if v == "" {
				blank[c.title] = true
			}
			fmt.Fprintf(&b, "| %s ", v)
		}
		b.WriteString("|\n")
	}
	lead := "\n"
	for _, c := range rowColumns {
		if blank[c.title] {
			fmt.Fprintf(&b, "%s- %s is blank: %s.\n", lead, c.title, c.want)
			lead = ""
		}
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the row: %w", err)
	}
	return nil
}

// known is what the target says of itself, or the server's side.
func known(name string) func(*harness.Result) string {
	return func(res *harness.Result) string {
		if v := res.Target[name]; v != "" {
			return v
		}
		if res.Server != nil {
			return res.Server.Facts[name]
		}
		return ""
	}
}

// rowCPU is what the target says, or the cores that each replica may use.
func rowCPU(res *harness.Result) string {
	if v := res.Target["cpu"]; v != "" || res.Server == nil {
		return v
	}
	if n := res.Server.Facts["cores_per_replica"]; n != "" {
		return n + " cores"
	}
	return ""
}

// rowReplicas is what the target says, or the replicas that were seen, if there were
// several: one may be all that a load balancer has shown.
func rowReplicas(res *harness.Result) string {
	if v := res.Target["replicas"]; v != "" || res.Server == nil {
		return v
	}
	if n := res.Server.Facts["replicas"]; n != "1" {
		return n
	}
	return ""
}

// rowMemory is what the target says, or the limit of each replica.
func rowMemory(res *harness.Result) string {
	if v := res.Target["memory"]; v != "" || res.Server == nil {
		return v
	}
	if n, err := strconv.ParseFloat(res.Server.Facts["memory_limit_bytes"], 64); err == nil {
		return fmt.Sprintf("%.4g GB", n/1e9)
	}
	return ""
}

// rowUsers are all users of a run: those of scenarios side by side, once each.
func rowUsers(res *harness.Result) string {
	users := 0
	for i := range res.Scenarios {
		users = max(users, res.Scenarios[i].Users)
	}
	if users == 0 {
		return ""
	}
	return fmt.Sprint(users)
}

// rowBuilds is the most jobs that provisioners worked on at the same time.
func rowBuilds(res *harness.Result) string {
	if n, ok := highest(res.Server, "jobs_running"); ok {
		return fmt.Sprintf("%.0f", n)
	}
	return ""
}

// rowConnections is the most that were open at the same time.
func rowConnections(res *harness.Result) string {
	open := int64(0)
	for i := range res.Scenarios {
		most := int64(0)
		for _, sec := range res.Scenarios[i].Timeline {
			most = max(most, sec.Connections)
		}
		open += most
	}
	if open == 0 {
		return ""
	}
	return fmt.Sprint(open)
}

// highest is the highest sum of a series over whatever it is of, at its own
// instants.
func highest(s *harness.ServerResult, name string) (most float64, ok bool) {
	if s == nil {
		return 0, false
	}
	for i := range s.Series {
		if s.Series[i].Name != name {
			continue
		}
		peak := 0.0
		for _, p := range s.Series[i].Points {
			peak = max(peak, p[1])
		}
		most, ok = most+peak, true
	}
	return most, ok
}
