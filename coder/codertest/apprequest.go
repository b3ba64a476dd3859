package codertest

import (
	"net"
	"net/http"
	"regexp"
	"strings"
)

// appRequest is what a request says of the app that it wants.
type appRequest struct {
	access    string // path or subdomain
	user      string
	workspace string
	agent     string // may be ""
	slug      string // or a port
	base      string // what comes before the path that the app sees
	rest      string // that path, "" if the slash behind the slug is missing
}

// appRequest reads the app from the address of a request.
func (s *Server) appRequest(r *http.Request) (appRequest, bool) {
	if s.cfg.AppHost != "" {
		if q, ok := s.subdomainApp(r); ok {
			return q, true
		}
	}
	if strings.HasPrefix(r.URL.Path, "/@") {
		return pathApp(r.URL.Path)
	}
	return appRequest{}, false
}

// pathApp reads /@user/workspace.agent/apps/slug/rest.
func pathApp(path string) (q appRequest, ok bool) {
	parts := strings.SplitN(path[len("/@"):], "/", 5)
	if len(parts) < 4 || parts[2] != "apps" || parts[0] == "" || parts[1] == "" || parts[3] == "" {
		return q, false
	}
	q = appRequest{access: "path", user: parts[0], slug: parts[3]}
	q.workspace, q.agent, _ = strings.Cut(parts[1], ".")
	q.base = "/@" + strings.Join(parts[:4], "/")
	if len(parts) == 5 {
		q.rest = "/" + parts[4]
	}
	return q, true
}

// subdomainApp reads slug--agent--workspace--user before the host of apps. The
// agent may be missing, but not for a port.
func (s *Server) subdomainApp(r *http.Request) (q appRequest, ok bool) {
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	pattern := s.cfg.AppHost
	if h, _, err := net.SplitHostPort(pattern); err == nil {
		pattern = h
	}
	before, after, _ := strings.Cut(strings.ToLower(pattern), "*")
	host = strings.ToLower(host)
	label, ok := strings.CutSuffix(host, after)
	if ok {
		label, ok = strings.CutPrefix(label, before)
	}
	if !ok || label == "" || strings.Contains(label, ".") {
		return q, false
	}
	if _, behind, prefixed := strings.Cut(label, "---"); prefixed {
		label = behind
	}
	parts := strings.Split(label, "--")
	q = appRequest{access: "subdomain", rest: r.URL.Path}
	switch {
	case len(parts) == 4:
		q.slug, q.agent, q.workspace, q.user = parts[0], parts[1], parts[2], parts[3]
	case len(parts) == 3 && !s.as.appNeedsAgent && !isPort(parts[0]):
		q.slug, q.workspace, q.user = parts[0], parts[1], parts[2]
	default:
		q.slug = "" // the name means nothing
	}
	return q, true
}

var portRule = regexp.MustCompile(`^[0-9]{1,5}s?$`)

func isPort(slug string) bool { return portRule.MatchString(slug) }

// appHost is the pattern of the apps' names with a port, "" without names.
func (s *Server) appHost(url string) string {
	host := s.cfg.AppHost
	if host == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	_, port, err := net.SplitHostPort(strings.TrimPrefix(url, "http://"))
	if err != nil {
		return host
	}
	return net.JoinHostPort(host, port)
}
