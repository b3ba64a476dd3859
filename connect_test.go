//go:build !scaletest

package scaletest_test

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest"
	"github.com/coderscale/scaletest/coder"
	"github.com/coderscale/scaletest/coder/codertest"
)

// TestWhatCannotBeTestedIsSaidInOneSentence goes through all that a user can
// get wrong about a deployment.
func TestWhatCannotBeTestedIsSaidInOneSentence(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 3})
	d.stop(t, "scaletest-1")
	empty := deploy(t, codertest.Config{})
	member := d.member(t)
	mayNot := refuseRights(t, d)
	expired, err := d.client.CreateToken(t.Context(), "alice", coder.CreateTokenRequest{Lifetime: time.Nanosecond})
	require.NoError(t, err)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprint(w, "<html><body>Welcome to nginx!</body></html>")
	}))
	defer site.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of our own mistrust
	secure.StartTLS()
	defer secure.Close()
	gone := httptest.NewServer(nil)
	gone.Close()

	for _, c := range []struct {
		name string
		set  []string
		want []string
	}{
		{"wrong port", live(gone.URL, "t"), []string{gone.URL + " can't be tested: ", "refused"}},
		{"wrong host", live("https://coder.invalid", "t"), []string{"https://coder.invalid can't be tested: "}},
		{"not Coder", live(site.URL, "t"), []string{site.URL + " can't be tested: ", "not Coder"}},
		{"untrusted certificate", live(secure.URL, "t"), []string{secure.URL + " can't be tested: ", "certificate"}},
		{"wrong token", live(d.URL(), "aaaaaaaaaa-bbbbbbbbbbbbbbbbbbbbbb"), []string{d.URL() + " can't be tested: ", "token"}},
		{"expired token", live(d.URL(), expired), []string{d.URL() + " can't be tested: ", "expired"}},
		{"no workspaces", live(empty.URL(), empty.OwnerToken()), []string{"has no workspaces whose name or owner begins with scaletest- that this token can see: create some first, or set CODER_SCALETEST_ANY_WORKSPACE=true"}},
		{"others' workspaces, not seen", live(d.URL(), member), []string{"has no workspaces", "that this token can see"}},
		{"others' workspaces, not opened", live(mayNot, d.OwnerToken()), []string{"the token of admin may not open terminals in the workspaces of 1 of 1 owners, such as ", ": use the token of a site owner, or of the workspaces' owner"}},
		{"range beyond the end", append(live(d.URL(), d.OwnerToken()), p+"TARGET_WORKSPACES=1:4"), []string{p + "TARGET_WORKSPACES is 1:4: it goes to 4, but there are only 3 workspaces"}},
		{"only stopped ones", append(live(d.URL(), d.OwnerToken()), p+"TARGET_WORKSPACES=1:2"), []string{"none of 1 workspaces can be used, ", "/scaletest-1 is stopped: start them first"}},
		{"no such template", append(live(d.URL(), d.OwnerToken()), p+"TEMPLATE=doker"), []string{p + `TEMPLATE is "doker", but ` + d.URL() + " (v2.37.0) has no such template: it has "}},
		{"tick of 0", append(live(d.URL(), d.OwnerToken()), p+"WORKSPACE_TRAFFIC_TICK_INTERVAL=0s"), []string{`_TICK_INTERVAL is "0s", want a duration of more than 0`}},
		{"artefacts in a file", append(live(d.URL(), d.OwnerToken()), p+"ARTIFACTS=/dev/null", p+"TARGET_WORKSPACES=0:1"), []string{p + `ARTIFACTS is "/dev/null", want a folder that can be written: `}},
	} {
		t.Run(c.name, func(t *testing.T) {
			environment(t, c.set...)
			tb := attempt(t, nil, test)
			require.Len(t, tb.fatal, 1)
			for _, want := range c.want {
				assert.Contains(t, tb.fatal[0], want)
			}
			assert.NotContains(t, tb.fatal[0], "\n", "more than one line")
			assert.Less(t, len(tb.fatal[0]), 400, "more than a sentence")
			for _, kv := range c.set {
				if secret, ok := strings.CutPrefix(kv, "CODER_SESSION_TOKEN="); ok && len(secret) > 1 {
					assert.NotContains(t, tb.fatal[0], secret)
				}
			}
			assert.Empty(t, tb.errors)
		})
	}
	for _, s := range []deployment{d, empty} {
		assert.Zero(t, s.Stats().TerminalsOpened, "a terminal was opened")
	}
	assert.EqualValues(t, 1, d.Stats().Builds, "only our own stop")
}

func TestUpgradesThatAProxyRefusesAreNamed(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusBadGateway} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			d := deploy(t, codertest.Config{Workspaces: 2})
			environment(t, live(refuseUpgrades(t, d, status), d.OwnerToken())...)
			tb := attempt(t, nil, test)
			said := append(tb.fatal, tb.errors...)
			require.Len(t, said, 1)
			assert.Contains(t, said[0], "can't be tested: something in front of it lets no WebSockets through, which terminals need: ")
			assert.Contains(t, said[0], fmt.Sprint(status))
			assert.NotContains(t, said[0], "\n")
			assert.NotContains(t, said[0], "<html>")
			assert.Zero(t, d.Stats().TerminalsOpened)
		})
	}
}

func TestStoppedWorkspacesAreNamedAndLeftOut(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 4, AgentTimeout: time.Nanosecond})
	d.stop(t, "scaletest-2")
	all, err := d.client.AllWorkspaces(t.Context(), coder.WorkspacesQuery{})
	require.NoError(t, err)
	owner := all[0].OwnerName
	require.NoError(t, d.KillAgent(owner+"/scaletest-3"))

	environment(t, append(live(d.URL(), d.OwnerToken()), p+"TARGET_WORKSPACES=1:4")...)
	var names []string
	tb := attempt(t, nil, func(tb *fakeTB) {
		for _, w := range scaletest.Connect(tb).Workspaces(tb) {
			names = append(names, w.Name)
		}
	})
	assert.Empty(t, tb.fatal)
	assert.Equal(t, []string{owner + "/scaletest-1"}, names, "the range counts workspaces whatever state they are in")
	assert.Equal(t, []string{
		"left out: " + owner + "/scaletest-2 is stopped",
		"left out: " + owner + "/scaletest-3 has an agent that is disconnected",
	}, tb.log)
}

func TestOtherPeoplesWorkspacesAreLeftAloneUnlessAskedFor(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 2})
	templates, err := d.client.Templates(t.Context())
	require.NoError(t, err)
	w, err := d.client.CreateWorkspace(t.Context(), coder.Me, coder.CreateWorkspaceRequest{Name: "dev", TemplateID: templates[0].ID})
	require.NoError(t, err)
	_, err = d.client.WaitBuild(t.Context(), w.LatestBuild.ID)
	require.NoError(t, err)
	_, err = d.client.WaitAgents(t.Context(), w.ID)
	require.NoError(t, err)

	for set, want := range map[string]int{
		"":                                  2,
		p + "ANY_WORKSPACE=true":            3,
		p + "TEMPLATE=" + templates[0].Name: 2,
		p + "TEMPLATE=" + templates[0].ID.String(): 2,
	} {
		environment(t, append(live(d.URL(), d.OwnerToken()), set)...)
		n := 0
		tb := attempt(t, nil, func(tb *fakeTB) { n = len(scaletest.Connect(tb).Workspaces(tb)) })
		assert.Empty(t, tb.fatal)
		assert.Equal(t, want, n, set)
	}
}

func TestNothingThatPrintsATargetShowsTheToken(t *testing.T) {
	d := deploy(t, codertest.Config{Workspaces: 1})
	environment(t, live(d.URL(), d.OwnerToken())...)
	secret := d.OwnerToken()[len(d.OwnerToken())-22:]
	attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			assert.NotContains(t, fmt.Sprintf(verb, target), secret, verb)
			assert.NotContains(t, fmt.Sprintf(verb, *target), secret, verb)
			assert.NotContains(t, fmt.Sprintf(verb, target.Workspaces(tb)), secret, verb)
		}
		assert.Equal(t, d.URL()+" (v2.37.0)", target.Describe())
	})
}

func TestEmbeddedDeploymentStandsInWithoutURL(t *testing.T) {
	environment(t)
	tb := attempt(t, nil, func(tb *fakeTB) {
		target := scaletest.Connect(tb)
		assert.NotNil(t, target.Embedded())
		assert.Equal(t, "the embedded deployment (v2.37.0)", target.Describe())
		assert.Len(t, target.Workspaces(tb), 200)

		target = scaletest.Embedded{Workspaces: 7, Server: codertest.Config{Version: "v2.26.0"}}.Connect(tb)
		assert.Equal(t, "v2.26.0", target.Version())
		assert.Len(t, target.Workspaces(tb), 7)

		scaletest.Embedded{Server: codertest.Config{BuildFailureRate: 2}}.Connect(tb)
	})
	require.Len(t, tb.fatal, 1)
	assert.Contains(t, tb.fatal[0], "start the embedded deployment: ")
}
