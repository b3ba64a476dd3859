package cleanup_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/runners/cleanup"
)

// says answers one request after the other, and the last answer for ever.
type says struct {
	answers []answer
	n       int
}

type answer struct {
	status int
	text   string
}

func (s *says) RoundTrip(r *http.Request) (*http.Response, error) {
	a := s.answers[min(s.n, len(s.answers)-1)]
	s.n++
	h := http.Header{"X-Coder-Build-Version": {"v2.37.0"}, "Content-Type": {"application/json"}}
	return &http.Response{StatusCode: a.status, Header: h, Body: io.NopCloser(strings.NewReader(message("%s", a.text))), Request: r}, nil
}

func TestUserWhoIsGoneAlreadyIsNoErrorAndOneWithWorkspacesIs(t *testing.T) {
	down := answer{500, "Database is down."}
	for name, tc := range map[string]struct {
		answers []answer
		asked   int
		err     string
	}{
		"deleted":             {[]answer{{200, ""}}, 1, ""},
		"gone":                {[]answer{{404, "Resource not found."}}, 1, ""},
		"gone, on 2.26":       {[]answer{{400, `"user" must be an existing uuid or username.`}}, 1, ""},
		"owns workspaces":     {[]answer{{417, "You cannot delete a user that has workspaces."}}, 1, "the user still owns workspaces, delete those first: delete user bob: You cannot delete"},
		"oneself":             {[]answer{{403, "You cannot delete yourself!"}}, 1, "You cannot delete yourself"},
		"something else":      {[]answer{{400, "No."}}, 1, "No"},
		"a failure that ends": {[]answer{down, down, {200, ""}}, 3, ""},
		"and one that stays":  {[]answer{down}, 3, "Database is down"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &says{answers: tc.answers}
				c, err := coder.New(coder.Config{URL: "http://coder.test", Token: "t", HTTPClient: &http.Client{Transport: s}, MaxRetries: -1})
				require.NoError(t, err)
				err = cleanup.DeleteUser(t.Context(), c, "bob", cleanup.Options{})
				if tc.err == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tc.err)
				}
				assert.Equal(t, tc.asked, s.n)
			})
		})
	}
}
