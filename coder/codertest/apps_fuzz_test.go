package codertest

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzAppAddress reads what clients put into paths, host names and tokens.
func FuzzAppAddress(f *testing.F) {
	for _, s := range []string{
		"/@admin/ws1.main/apps/wsec/x", "/@admin/ws1/apps/8080", "/@a/b/apps/", "/@/x/apps/y/", "/@a/.b/apps/c//",
		"wsec--main--ws1--admin.apps.example.test", "p---8080s--main--ws1--admin.apps.example.test:80", "--.apps.example.test", "a.b.apps.example.test",
		"eyJhbGciOiJIUzI1NiJ9.e30.AAAA", "..",
	} {
		f.Add(s)
	}
	s := &Server{cfg: Config{AppHost: "*.apps.example.test"}}
	f.Fuzz(func(t *testing.T, address string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = address
		r.URL = &url.URL{Path: address}
		q, ok := s.appRequest(r)
		switch {
		case !ok:
		case q.access == "path" && (q.user == "" || q.slug == "" || !strings.HasPrefix(address, q.base)):
			t.Fatalf("%q is read as %+v", address, q)
		case q.slug != "" && q.access == "subdomain" && strings.Contains(q.slug, "."):
			t.Fatalf("%q is read as %+v", address, q)
		}
		if _, ok := s.verify(address); ok {
			t.Fatalf("%q counts as signed", address)
		}
	})
}
