package campaign

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// grafana marks phases in Grafana: an annotation at the beginning, which becomes a
// region at the end.
type grafana struct {
	client             *http.Client
	address, token, id string

	ids map[int]int64 // of annotations, by phase; only the teller's worker uses it
}

// annotation is Grafana's. Times are milliseconds since 1970.
type annotation struct {
	Time    int64    `json:"time,omitempty"`
	TimeEnd int64    `json:"timeEnd,omitempty"`
	Tags    []string `json:"tags,omitempty"`
	Text    string   `json:"text"`
}

func (g *grafana) who() string { return "Grafana at " + hostOf(g.address) }

func (g *grafana) tell(ctx context.Context, e event) error {
	if e.whole.ID != "" {
		return nil // its phases are marked
	}
	a := annotation{Text: e.phase.Name + first(": ", nonEmpty(e.phase.Title))}
	if e.phase.State != Running {
		a.TimeEnd = e.phase.Ended.UnixMilli()
		a.Text += " (" + string(e.phase.State) + ")"
		if id, known := g.ids[e.at]; known {
			_, err := g.call(ctx, http.MethodPatch, fmt.Sprintf("/api/annotations/%d", id), a)
			return err
		}
	}
	// Of a phase whose beginning it was not told of, it gets all at the end.
	a.Time, a.Tags = e.phase.Began.UnixMilli(), []string{"scaletest", g.id, e.phase.Name}
	b, err := g.call(ctx, http.MethodPost, "/api/annotations", a)
	if err != nil {
		return err
	}
	var made struct {
		ID int64 `json:"id"`
	}
	if err := json.Unmarshal(b, &made); err != nil || made.ID == 0 {
		return errors.New("it answered without the ID of the annotation: is it the address of a Grafana?")
	}
	g.ids[e.at] = made.ID
	return nil
}

func (g *grafana) call(ctx context.Context, method, path string, a annotation) ([]byte, error) {
	b, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(g.address, "/")+path, bytes.NewReader(b))
	if err != nil {
		return nil, errors.New("its address can't be used, want one that begins with https://")
	}
	req.Header.Set("Content-Type", "application/json")
	if g.token != "" {
		req.Header.Set("Authorization", "Bearer "+g.token)
	}
	return exchange(g.client, req)
}
