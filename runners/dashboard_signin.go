package runners

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// signIn fills in the form of the sign-in page. It returns the instant from which
// what comes next is measured.
func (v *visit) signIn(ctx context.Context) (time.Time, error) {
	// What has the whole address gets no token: nobody is signed in yet.
	form := batch{v: v}
	form.get(callAuthMethods, v.base+"/api/v2/users/authmethods", nil)
	form.get(callBuildInfo, v.base+"/api/v2/buildinfo", nil)
	form.get(callFirstUser, v.base+"/api/v2/users/first", nil)
	if err := form.send(ctx, time.Now()); err != nil {
		return time.Time{}, err
	}
	body, err := json.Marshal(map[string]string{"email": v.person.User.Email, "password": v.group.cfg.Password(v.person)})
	if err != nil {
		return time.Time{}, fmt.Errorf("the password can't be sent: %w", err)
	}
	var session struct {
		Token string `json:"session_token"`
	}
	submit := batch{v: v}
	submit.add(callLogin, http.MethodPost, v.base+"/api/v2/users/login", string(body), &session)
	if err := submit.send(ctx, time.Now()); err != nil {
		return time.Time{}, err
	}
	c := v.dashboardUser.client.WithToken(session.Token)
	v.use(c) // nothing else goes on yet
	u := v.dashboardUser
	u.mu.Lock()
	u.sessions = append(u.sessions, c)
	u.mu.Unlock()
	return time.Now(), nil
}
