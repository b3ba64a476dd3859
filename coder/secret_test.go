package coder_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/coder"
)

// printed is everything that people do to a value to see it.
func printed(v any) string {
	var b strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&b, verb+"\n", v)
	}
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "v", v)
	if j, err := json.Marshal(v); err == nil {
		b.Write(j)
	}
	if err, ok := v.(error); ok {
		for ; err != nil; err = errors.Unwrap(err) {
			fmt.Fprintf(&b, "%v %+v %#v\n", err, err, err)
		}
	}
	return b.String()
}

const testPassword = "Correct-Horse-Battery-1"

func TestNothingThatIsPrintedContainsASecret(t *testing.T) {
	// A server that echoes all that it was sent, as proxies and validators do.
	echo := func(status int, body string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			return says(status, strings.NewReplacer("TOKEN", testToken, "PASSWORD", testPassword).Replace(body),
				"Location", "https://login.test/?t="+testToken, "X-Coder-Request-Id", "abc")()
		}
	}
	servers := map[string]func(*http.Request) (*http.Response, error){
		"JSON":       echo(400, `{"message":"Bad TOKEN PASSWORD","detail":"TOKEN PASSWORD","validations":[{"field":"TOKEN","detail":"value: \"PASSWORD\""}]}`),
		"HTML":       echo(403, "<html><title>TOKEN PASSWORD</title>TOKEN</html>"),
		"text":       echo(500, "TOKEN PASSWORD\nTOKEN"),
		"redirect":   echo(302, ""),
		"not JSON":   echo(200, "TOKEN PASSWORD"),
		"wrong JSON": echo(200, `{"created_at":"TOKEN PASSWORD","id":"TOKEN","session_token":7}`),
		"error":      answers(fails(errors.New("dial " + testToken + " " + testPassword))),
	}
	for name, answer := range servers {
		t.Run(name, func(t *testing.T) {
			c, _ := fakeClient(t, coder.Config{MaxRetries: -1}, answer)
			ctx := t.Context()
			_, userErr := c.CreateUser(ctx, coder.CreateUserRequest{Username: "a", Password: testPassword})
			_, loginErr := c.Login(ctx, "a@b.c", testPassword)
			_, readErr := c.Workspace(ctx, uuid.New())
			_, preErr := c.Preflight(ctx, coder.PreflightOptions{})
			_, versionErr := c.CreateTemplateVersion(ctx, "default", coder.CreateTemplateVersionRequest{Variables: map[string]string{"p": testPassword}})
			for _, err := range []error{userErr, loginErr, readErr, preErr, versionErr} {
				require.Error(t, err)
				assert.NotContains(t, err.Error(), testToken)
			}
			for _, err := range []error{userErr, loginErr, versionErr} {
				assert.NotContains(t, err.Error(), testPassword)
			}
			if name == "error" {
				return // the cause is somebody else's error
			}
			for _, err := range []error{userErr, loginErr, readErr, preErr, versionErr} {
				assert.NotContains(t, printed(err), testToken)
			}
		})
	}
	cfg := coder.Config{URL: "https://coder.test", Token: testToken}
	c, err := coder.New(cfg)
	require.NoError(t, err)
	held := struct {
		Name string
		c    *coder.Client
	}{"x", c}
	for _, v := range []any{cfg, &cfg, c, c.WithToken(testToken), c.Isolated(), held, coder.CreateUserRequest{Password: testToken}} {
		out := printed(v)
		if _, ok := v.(coder.CreateUserRequest); ok {
			out, _, _ = strings.Cut(out, `{"username"`) // JSON is what goes to the server
		}
		assert.NotContains(t, out, testToken)
		assert.NotContains(t, out, fmt.Sprintf("%x", testToken))
	}
	assert.Equal(t, "tokenidabc", coder.KeyID(testToken))
}

func TestConfigErrorsNameEverythingButSecrets(t *testing.T) {
	_, err := coder.New(coder.Config{
		URL: "https://admin:" + testPassword + "@coder.test", Token: testToken + "\n",
		Header: http.Header{"Cookie": {testToken}}, Bypass: 7, PollInterval: -1,
	})
	require.Error(t, err)
	for _, part := range []string{"user or password", "Token contains", "Cookie", "Bypass is 7", "PollInterval"} {
		assert.ErrorContains(t, err, part)
	}
	assert.NotContains(t, err.Error(), testToken)
	assert.NotContains(t, err.Error(), testPassword)
	for _, bad := range []string{"", "coder.test", "ftp://coder.test", "https://", "https://coder.test?x=1", "http://[::1", "https://coder.test/#a"} {
		_, err := coder.New(coder.Config{URL: bad})
		assert.Error(t, err, bad)
	}
}

func TestARedirectDoesNotCarryTheTokenAway(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		t.Errorf("asked elsewhere, with token %q", req.Header.Get("Coder-Session-Token"))
	}))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL+"/login?next=1", http.StatusFound))
	defer server.Close()
	c, err := coder.New(coder.Config{URL: server.URL, Token: testToken, HTTPClient: &http.Client{}})
	require.NoError(t, err)
	_, err = c.User(t.Context(), coder.Me)
	require.ErrorContains(t, err, "redirects to "+elsewhere.URL+"/login,")
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+"/@a/w/apps/x/", nil)
	require.NoError(t, err)
	resp, err := c.AppSession(req.URL, coder.AppOptions{TokenHeader: true}).HTTPClient().Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, http.StatusFound, resp.StatusCode)
	c.CloseIdleConnections()
	http.DefaultClient.CloseIdleConnections()
}

func TestATokenNeverGoesIntoAQuery(t *testing.T) {
	c, f := fakeClient(t, coder.Config{}, answers(says(200, "{}")))
	for _, path := range []string{"/api/v2/x?coder_session_token=" + testToken, "/api/v2/x?access_token=" + testToken} {
		err := c.Get(t.Context(), path, nil)
		require.Error(t, err)
		assert.NotContains(t, err.Error(), testToken)
	}
	assert.Zero(t, f.count())
}
