package coder

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryRecordingIsReadAsTheServerMeantIt replays each exchange of two real
// servers: successes must carry the recorded values, refusals the recorded
// status and words.
func TestEveryRecordingIsReadAsTheServerMeantIt(t *testing.T) {
	for _, set := range recordingSets {
		for name, r := range loadRecordings(t, set) {
			t.Run(set+"/"+name, func(t *testing.T) {
				t.Parallel()
				got, err := callRecorded(t, r)
				switch status := r.Response.Status; {
				case lacksEndpoint(r):
					require.True(t, IsUnsupported(err), "got %v", err)
				case strings.HasSuffix(name, "ws_workspace_watch_no_pong") && len(r.messages()) > 0 && r.serverCloses():
					closed, ok := errors.AsType[*websocket.CloseError](err)
					require.True(t, ok, "got %v", err)
					require.Equal(t, websocket.CloseGoingAway, closed.Code)
				case status < 300:
					require.NoError(t, err)
					assertRecorded(t, r, got)
				case name == "000_get_users_first_before_setup", absentPresets(r):
					require.NoError(t, err)
				default:
					assertRefused(t, r, err)
				}
			})
		}
	}
}

// callRecorded makes the call of a recording against its replay.
func callRecorded(t *testing.T, r *recording) (got any, err error) {
	t.Helper()
	mux := http.NewServeMux()
	for pattern, call := range recordedCalls {
		mux.HandleFunc(strings.Replace(pattern, "WS ", "GET /ws", 1), func(_ http.ResponseWriter, req *http.Request) {
			got, err = call(t.Context(), replay(t, r), r, req)
		})
	}
	path := r.Request.Path
	if r.Request.Headers["Upgrade"] != "" {
		path = "/ws" + path
	}
	req := httptest.NewRequestWithContext(t.Context(), r.Request.Method, path, nil)
	handler, pattern := mux.Handler(req)
	require.NotEmpty(t, pattern, "no call of the client makes %s %s", r.Request.Method, r.Request.Path)
	_ = handler
	mux.ServeHTTP(httptest.NewRecorder(), req)
	return got, err
}

// lacksEndpoint tells answers of the dashboard where the endpoint is missing.
func lacksEndpoint(r *recording) bool {
	return r.Response.Status == http.StatusOK && strings.HasPrefix(r.header("Content-Type"), "text/html") &&
		strings.HasPrefix(r.Request.Path, "/api/")
}

func absentPresets(r *recording) bool {
	return strings.HasSuffix(r.Request.Path, "/presets") && r.Response.Status == http.StatusNotFound
}

// assertRefused checks that the error says what the server said.
func assertRefused(t *testing.T, r *recording, err error) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	require.True(t, ok, "expected an *Error, got %v", err)
	assert.Equal(t, r.Response.Status, e.StatusCode)
	assert.True(t, e.FromCoder)
	var said struct {
		Message, Detail string
		Validations     []ValidationError
	}
	if json.Unmarshal(r.Response.Body, &said) == nil && said.Message != "" {
		assert.Equal(t, said.Message, e.Message)
		assert.Equal(t, said.Detail, e.Detail)
		assert.Equal(t, said.Validations, e.Validations)
	}
	assert.NotEmpty(t, e.Message)
	assert.NotContains(t, e.Error(), "<")
	assert.NotContains(t, e.Error(), "\n")
}

// assertRecorded checks that every value that the client's types take from an
// answer is the recorded one.
func assertRecorded(t *testing.T, r *recording, got any) {
	t.Helper()
	if got == nil {
		return
	}
	encoded, err := json.Marshal(got)
	require.NoError(t, err)
	var have, want any
	require.NoError(t, json.Unmarshal(encoded, &have))
	if len(r.Frames)+len(r.Events) > 0 {
		want, err = streamed(r)
		require.NoError(t, err)
	} else {
		require.NoError(t, json.Unmarshal(r.body(), &want))
	}
	for _, difference := range compare("", have, want) {
		t.Error(difference)
	}
}

// compare lists where what we have is not what was recorded. Keys that only
// the recording has are what the client does not need.
func compare(at string, have, want any) []string {
	var out []string
	switch h := have.(type) {
	case map[string]any:
		w, ok := want.(map[string]any)
		if !ok {
			return compareLeaf(at, have, want)
		}
		for _, key := range slices.Sorted(maps.Keys(h)) {
			if value, ok := w[key]; ok {
				out = append(out, compare(at+"."+key, h[key], value)...)
			} else if !isZero(h[key]) {
				out = append(out, fmt.Sprintf("%s.%s is %v, but was not recorded", at, key, h[key]))
			}
		}
		return out
	case []any:
		w, ok := want.([]any)
		if !ok || len(w) != len(h) {
			return compareLeaf(at, have, want)
		}
		for i := range h {
			out = append(out, compare(fmt.Sprintf("%s[%d]", at, i), h[i], w[i])...)
		}
		return out
	}
	return compareLeaf(at, have, want)
}

func compareLeaf(at string, have, want any) []string {
	if isZero(have) && isZero(want) {
		return nil
	}
	h, _ := have.(string)
	w, _ := want.(string)
	ht, herr := time.Parse(time.RFC3339, h)
	wt, werr := time.Parse(time.RFC3339, w)
	if herr == nil && werr == nil && ht.Equal(wt) || assert.ObjectsAreEqual(have, want) {
		return nil
	}
	return []string{fmt.Sprintf("%s is %v, recorded %v", at, have, want)}
}

// isZero reports whether a JSON value says nothing.
func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case bool:
		return !v
	case float64:
		return v == 0
	case string:
		return v == "" || v == "0001-01-01T00:00:00Z" || v == "00000000-0000-0000-0000-000000000000"
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, inner := range v {
			if !isZero(inner) {
				return false
			}
		}
		return true
	}
	return false
}

// TestTagsAreThoseOfTheServer finds misspelled JSON keys: each key of the
// client's types must come in some recording.
func TestTagsAreThoseOfTheServer(t *testing.T) {
	seen := map[string]bool{}
	var note func(any)
	note = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, inner := range v {
				seen[key] = true
				note(inner)
			}
		case []any:
			for _, inner := range v {
				note(inner)
			}
		}
	}
	for _, set := range recordingSets {
		for _, r := range loadRecordings(t, set) {
			var v any
			if json.Unmarshal(r.body(), &v) == nil {
				note(v)
			}
		}
	}
	// Keys of licensed or unused features, from the interface description.
	rare := []string{
		"validation_monotonic", "worker_name", "subdomain_name", "command", "reason", "autostart_schedule",
		"credits_consumed", "budget", "error_code", "default", "parameters", "troubleshooting_url", "disconnected_at",
	}
	types := []any{
		User{}, UserRoles{}, UsersPage{}, APIKey{}, Organization{}, Member{}, ProvisionerDaemon{}, Template{}, TemplateVersion{},
		RichParameter{}, ParameterOption{}, BuildParameter{}, Job{}, MatchedProvisioners{}, Workspace{}, WorkspacesPage{}, Build{},
		Resource{}, ResourceMetadata{}, Agent{}, AgentLatency{}, AgentHealth{}, AgentScript{}, App{}, Timings{}, ProvisionerTiming{},
		ScriptTiming{}, AgentTiming{}, ProvisionerLog{}, AgentLog{}, BuildInfo{}, Region{}, ListeningPort{}, DeploymentStats{},
		ConnectionInfo{},
	}
	for _, value := range types {
		data, err := json.Marshal(value)
		require.NoError(t, err)
		var keys map[string]any
		require.NoError(t, json.Unmarshal(data, &keys))
		for key := range keys {
			if !seen[key] && !slices.Contains(rare, key) {
				t.Errorf("%T: no recording has the key %q", value, key)
			}
		}
	}
}

// TestRefusalsAreToldApartInBothVersions checks what the Is functions say.
func TestRefusalsAreToldApartInBothVersions(t *testing.T) {
	kinds := map[string]func(error) bool{
		"not found": IsNotFound, "gone": IsGone, "unauthorized": IsUnauthorized, "forbidden": IsForbidden, "conflict": IsConflict,
		"invalid": IsInvalid, "limited": IsRateLimited, "agent": IsAgentUnreachable, "unsupported": IsUnsupported,
		"owns": OwnsWorkspaces, "mismatch": StateMismatch,
	}
	sets := map[string]map[string]*recording{}
	for _, set := range recordingSets {
		sets[set] = loadRecordings(t, set)
	}
	for name, want := range map[string]string{
		"004_get_users_me_401_no_token":              "unauthorized",
		"010_post_users_login_401_wrong_password":    "unauthorized",
		"025_get_users_me_401_unknown_token":         "unauthorized",
		"017_post_token_409_same_name":               "conflict",
		"018_post_token_400_lifetime_too_long":       "invalid",
		"044_get_template_404":                       "not found",
		"061_post_users_409_duplicate":               "conflict",
		"062_post_users_400_bad_username":            "invalid",
		"078_get_user_404":                           "not found",
		"081_post_token_other_user_403_as_member":    "not found",
		"088_get_deleted_user":                       "not found",
		"089_delete_user_404":                        "not found",
		"090_delete_user_403_as_member":              "not found",
		"091_delete_self_403":                        "forbidden",
		"105_post_workspace_400_unknown_template":    "invalid",
		"110_post_workspace_404_unknown_user":        "not found",
		"116_post_workspace_409_duplicate":           "conflict",
		"121_get_workspace_404":                      "not found",
		"136_get_workspaces_q_invalid_400":           "invalid",
		"161_get_workspaceagent_404":                 "not found",
		"257_app_get_unknown_app":                    "not found",
		"342_get_unknown_route":                      "not found unsupported",
		"405_post_build_409_while_active":            "conflict",
		"410a_ws_pty_agent_killed":                   "agent",
		"410c_ws_pty_agent_disconnected":             "agent",
		"410f_app_get_agent_frozen":                  "agent",
		"412a_ws_app_agent_killed":                   "agent",
		"412b_app_get_agent_killed":                  "agent",
		"413d_app_get_agent_disconnected":            "agent",
		"418_patch_cancel_again":                     "invalid",
		"431_get_workspace_410_deleted":              "gone",
		"441_post_build_delete_orphan_as_member":     "forbidden",
		"442_delete_user_with_workspaces_417":        "owns",
		"447_patch_cancel_expect_running_on_pending": "mismatch",
		"502_get_429_api_rate_limit":                 "limited",
		"505_post_login_429":                         "limited",
		"522_sse_workspace_watch_404_other_member":   "not found",
		"086_get_user_quota":                         "not found unsupported",
		"147_ws_build_logs_follow_401":               "unauthorized",
		"402_post_build_404_other_member":            "not found",
		"513_get_users_me_401_after_logout":          "unauthorized",
		"574_get_agent_containers":                   "forbidden",
	} {
		for _, set := range recordingSets {
			r, ok := sets[set][name]
			if !ok {
				continue
			}
			t.Run(set+"/"+name, func(t *testing.T) {
				_, err := callRecorded(t, r)
				require.Error(t, err)
				var is []string
				for _, kind := range slices.Sorted(maps.Keys(kinds)) {
					if kinds[kind](err) {
						is = append(is, kind)
					}
				}
				assert.Equal(t, want, strings.Join(is, " "), "%v", err)
			})
		}
	}
}
