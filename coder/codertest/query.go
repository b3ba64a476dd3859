package codertest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/codertest/internal/search"
)

// parseQuery reads q and refuses keys that the list does not know.
func parseQuery(c *call, message, defaultKey string, known []string) (search.Query, *apiError) {
	q, err := search.Parse(c.r.URL.Query().Get("q"), defaultKey)
	var bad *search.Error
	if errors.As(err, &bad) {
		e := invalid(message, bad.Field, bad.Detail)
		return q, &e
	}
	var pairs []string
	for _, key := range q.Keys {
		if !slices.Contains(known, key) {
			pairs = append(pairs, key, fmt.Sprintf("%q is not a valid query param", key))
		}
	}
	if pairs != nil {
		e := invalid(message, pairs...)
		return q, &e
	}
	return q, nil
}

// pageRange is the limit and offset of a list.
type pageRange struct {
	limit, offset int
	after         uuid.UUID
}

func readPage(c *call) (pageRange, *apiError) {
	var p pageRange
	var pairs []string
	query := c.r.URL.Query()
	for _, f := range []struct {
		name string
		into *int
	}{{"limit", &p.limit}, {"offset", &p.offset}} {
		v := query.Get(f.name)
		if v == "" {
			continue
		}
		n, err := strconv.ParseInt(v, 10, 32)
		if err == nil && n < 0 {
			err = errors.New("value is negative")
		}
		if err != nil {
			pairs = append(pairs, f.name, fmt.Sprintf("Query param %q must be a valid 32-bit positive integer: %v", f.name, err))
		}
		*f.into = int(n)
	}
	if v := query.Get("after_id"); v != "" {
		id, err := uuid.Parse(v)
		if err != nil {
			pairs = append(pairs, "after_id", `Query param "after_id" must be a valid uuid`)
		}
		p.after = id
	}
	if pairs != nil {
		e := invalid("Query parameters have invalid values.", pairs...)
		return p, &e
	}
	return p, nil
}

// bounds are the rows of a page.
type bounds struct{ from, to int }

func (p pageRange) cut(n int) bounds {
	from, to := min(p.offset, n), n
	if p.limit > 0 {
		to = min(from+p.limit, n)
	}
	return bounds{from, to}
}

func (b bounds) of(users []*user) []*user { return users[b.from:b.to] }
