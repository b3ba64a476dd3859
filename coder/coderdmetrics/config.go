package coderdmetrics

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coderscale/scaletest/coder"
)

// Config says where the metrics are. It needs at least one of URLs and Client.
type Config struct {
	// URLs are the addresses for Prometheus, one for each replica, such as
	// "http://10.0.0.7:2112". Without a path it is /metrics. With none, metrics are
	// read by GET /api/v2/debug/metrics, which only an owner may, and which older
	// servers (2.26) don't have.
	URLs []string

	// Client is for these metrics where there are no URLs, and for the health
	// report, which only an owner may read. Nil reads no report.
	Client *coder.Client

	// HTTPClient asks the URLs. Nil means one of its own with no time limit but the
	// context's.
	HTTPClient *http.Client

	// HealthEvery is how often the health report is read. 0 means 30 s, less than 0
	// never. The server makes a new one every ten minutes only, unless
	// CODER_HEALTH_CHECK_REFRESH says otherwise.
	HealthEvery time.Duration

	// MaxBytes is how large a scrape of one replica may be. 0 means 256 MiB. A
	// larger one is an error, and gives nothing.
	MaxBytes int64
}

const (
	defaultHealthEvery = 30 * time.Second
	defaultMaxBytes    = 256 << 20

	// mostURLs is more than deployments have replicas.
	mostURLs = 100
)

// Validate reports everything that is wrong with the configuration, joined. No
// error has a password in it.
func (c Config) Validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if len(c.URLs) == 0 && c.Client == nil {
		add("there are neither URLs nor a Client: want the addresses at which coderd serves Prometheus, or the client of an owner")
	}
	if len(c.URLs) > mostURLs {
		add("there are %d URLs, want %d or fewer", len(c.URLs), mostURLs)
	}
	seen := map[string]int{}
	for i, text := range c.URLs {
		u, err := parseURL(text)
		if err != nil {
			add("URLs[%d]: %w", i, err)
			continue
		}
		if j, again := seen[u.String()]; again {
			add("URLs[%d] is the same as URLs[%d]: want one for each replica", i, j)
		}
		seen[u.String()] = i
	}
	if c.MaxBytes < 0 {
		add("MaxBytes is %d, want 0 (256 MiB) or more", c.MaxBytes)
	}
	return errors.Join(errs...)
}

// parseURL reads the address of a replica.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil:
		return nil, errors.New("it is not a URL, want one such as http://10.0.0.7:2112")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("want it to begin with http:// or https://, such as http://10.0.0.7:2112")
	case u.Hostname() == "":
		return nil, errors.New("it has no host, want one such as http://10.0.0.7:2112")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/metrics"
	}
	return u, nil
}
