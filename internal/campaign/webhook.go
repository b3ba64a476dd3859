package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coderscale/scaletest/harness"
)

// message is what a webhook gets: text, as Slack and those like it show it, and the
// same in fields.
type message struct {
	Text     string          `json:"text"`
	Campaign string          `json:"campaign"` // its ID
	Name     string          `json:"name,omitempty"`
	Comment  string          `json:"comment,omitempty"`
	URL      string          `json:"url,omitempty"` // of the deployment
	Phase    string          `json:"phase,omitempty"`
	State    State           `json:"state,omitempty"` // of the phase
	Verdict  harness.Verdict `json:"verdict,omitempty"`
	Detail   string          `json:"detail,omitempty"`
	At       time.Time       `json:"at"`
	Seconds  float64         `json:"seconds,omitempty"` // how long the phase took, or all of it
}

// webhook tells whoever takes messages as Slack does.
type webhook struct {
	client      *http.Client
	address, id string
	cfg         Config
}

func (w webhook) who() string { return "the webhook at " + hostOf(w.address) }

func (w webhook) tell(ctx context.Context, e event) error {
	b, err := json.Marshal(w.message(e))
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address, bytes.NewReader(b))
	if err != nil {
		return errors.New("its address can't be used, want one that begins with https://")
	}
	req.Header.Set("Content-Type", "application/json")
	_, err = exchange(w.client, req)
	return err
}

func (w webhook) message(e event) message {
	m := message{
		Campaign: w.id, Name: w.cfg.Name, Comment: w.cfg.Comment, URL: w.cfg.URL,
		Phase: e.phase.Name, State: e.phase.State, Detail: e.phase.Detail, At: e.phase.Began,
	}
	name := or(w.cfg.Name, w.id)
	switch {
	case e.whole.ID != "":
		m.At, m.Verdict, m.Detail = e.whole.Ended, e.whole.Verdict, first("", e.whole.Reasons)
		lasted := e.whole.Ended.Sub(e.whole.Began)
		m.Seconds = lasted.Seconds()
		m.Text = fmt.Sprintf("Scale test %s ended after %v: %s", name, lasted.Round(time.Second), e.whole.Verdict)
	case e.phase.State == Running:
		m.Text = fmt.Sprintf("Scale test %s: %s begins", name, e.phase.Name) + first(", ", nonEmpty(e.phase.Title))
	default:
		m.At = e.phase.Ended
		lasted := e.phase.Ended.Sub(e.phase.Began)
		m.Seconds = lasted.Seconds()
		m.Text = fmt.Sprintf("Scale test %s: %s ended after %v: %s", name, e.phase.Name, lasted.Round(time.Second), e.phase.State)
	}
	m.Text += first(" (", nonEmpty(m.Detail))
	if m.Detail != "" {
		m.Text += ")"
	}
	return m
}
