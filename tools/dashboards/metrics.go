package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// metric is what a list says of a metric.
type metric struct {
	kind   string // counter, gauge, histogram or summary
	labels map[string]bool
}

// readMetrics reads all lists of a folder. A line is a name, a type and labels;
// what follows a # is a remark. The name "*" is for labels that all metrics of the
// list have besides.
func readMetrics(dir string) (map[string]metric, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no lists of metrics in %s: want files such as coderd.txt", dir)
	}
	known := map[string]metric{}
	var errs []error
	for _, path := range files {
		if err := readList(path, known); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(path), err))
		}
	}
	return known, errors.Join(errs...)
}

func readList(path string, known map[string]metric) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var everywhere []string
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) < 2 {
			return fmt.Errorf("line %d is %q, want a name, a type and labels", n, lines.Text())
		}
		name, kind, labels := words[0], words[1], words[2:]
		if name == "*" {
			everywhere = labels
			continue
		}
		switch kind {
		case "counter", "gauge", "histogram", "summary":
		default:
			return fmt.Errorf("line %d: %s is a %q, want counter, gauge, histogram or summary", n, name, kind)
		}
		m := known[name]
		if m.kind != "" && m.kind != kind {
			return fmt.Errorf("line %d: %s is a %s, and a %s elsewhere", n, name, kind, m.kind)
		}
		if m.labels == nil {
			m = metric{kind, map[string]bool{}}
		}
		for _, l := range append(labels, everywhere...) {
			m.labels[l] = true
		}
		known[name] = m
	}
	return lines.Err()
}

// series are the labels of what a selector names, such as a histogram's
// buckets, and what it is: a histogram's parts are counters.
func series(name string, known map[string]metric) (labels map[string]bool, kind string, ok bool) {
	with := func(m metric, more ...string) map[string]bool {
		all := map[string]bool{}
		for l := range m.labels {
			all[l] = true
		}
		for _, l := range more {
			all[l] = true
		}
		return all
	}
	if m, ok := known[name]; ok {
		switch m.kind {
		case "histogram": // a native one
			return with(m), "histogram", true
		case "summary":
			return with(m, "quantile"), "gauge", true
		}
		return with(m), m.kind, true
	}
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		base, found := strings.CutSuffix(name, suffix)
		m, isKnown := known[base]
		switch {
		case !found || !isKnown:
		case suffix == "_bucket" && m.kind == "histogram":
			return with(m, "le"), "counter", true
		case suffix != "_bucket" && (m.kind == "histogram" || m.kind == "summary"):
			return with(m), "counter", true
		}
	}
	return nil, "", false
}
