// Dashboards writes the Grafana dashboards, and holds every query in them to the
// metrics that there are:
//
//	go run -modfile=tools/go.mod ./tools/dashboards deploy/grafana
//	go run -modfile=tools/go.mod ./tools/dashboards -check deploy/grafana
//
// The folder has the lists of metrics in metrics, and gets the dashboards in
// dashboards. With -check nothing is written, and what is there is checked.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	check := flag.Bool("check", false, "check the dashboards that are there, and write nothing")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "dashboards: want the folder of Grafana's files, such as deploy/grafana")
		os.Exit(2)
	}
	do := write
	if *check {
		do = checkFolder
	}
	if err := do(flag.Arg(0)); err != nil {
		fmt.Fprintf(os.Stderr, "dashboards: %v\n", err)
		os.Exit(1)
	}
}

// write makes the files of all dashboards.
func write(dir string) error {
	for _, d := range all() {
		b, err := encode(d.build())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "dashboards", d.file), b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func encode(d Dashboard) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // queries are for people too
	e.SetIndent("", "  ")
	err := e.Encode(d)
	return b.Bytes(), err
}

// checkFolder holds the files to the lists, and to what would be written.
func checkFolder(dir string) error {
	known, err := readMetrics(filepath.Join(dir, "metrics"))
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "dashboards", "*.json"))
	if err != nil {
		return err
	}
	made := map[string]dashboard{}
	for _, d := range all() {
		made[d.file] = d
	}
	var errs []error
	uids := map[string]string{}
	for _, path := range files {
		name := filepath.Base(path)
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var d Dashboard
		if err := json.Unmarshal(b, &d); err != nil {
			errs = append(errs, fmt.Errorf("%s is no dashboard: %w", name, err))
			continue
		}
		errs = append(errs, checkDashboard(name, d, known)...)
		if other := uids[d.UID]; other != "" {
			errs = append(errs, fmt.Errorf("%s has the uid %q of %s", name, d.UID, other))
		}
		uids[d.UID] = name
		want, ok := made[name]
		if !ok {
			errs = append(errs, fmt.Errorf("%s is not made by this program: delete it, or write it in tools/dashboards", name))
			continue
		}
		delete(made, name)
		if text, err := encode(want.build()); err != nil || !bytes.Equal(text, b) {
			errs = append(errs, errors.Join(err, fmt.Errorf("%s is not what \"make generate\" makes", name)))
		}
	}
	for name := range made {
		errs = append(errs, fmt.Errorf("%s is missing: run \"make generate\"", name))
	}
	return errors.Join(errs...)
}
