package coder

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	defaultPageSize = 100
	// pagedPasses is how often a listing is read by pages before it is read
	// in one answer.
	pagedPasses = 5
)

// pager reads a listing that can change between two pages.
type pager[T any] struct {
	read func(ctx context.Context, limit, offset int) (items []T, count int, err error)
	key  func(T) (uuid.UUID, time.Time)
}

// readAll reads a listing completely. The server has no snapshot and no
// cursor: when something before the offset is deleted, the next page skips an
// item. So each page repeats the last item of the one before. When that does
// not match, when the total changes or an item comes twice, everything is read
// again. A deployment that never holds still is read in one answer, which is
// consistent but heavy. The result is ordered by creation, then ID.
func readAll[T any](ctx context.Context, size int, p pager[T]) ([]T, error) {
	if size <= 0 {
		size = defaultPageSize
	}
	size = max(size, 2) // one item of each page is a repeat
	for range pagedPasses {
		items, clean, err := p.pass(ctx, size)
		if err != nil {
			return nil, err
		}
		if clean {
			return p.sorted(items), nil
		}
	}
	items, _, err := p.read(ctx, 0, 0)
	if err != nil {
		return nil, err
	}
	return p.sorted(items), nil
}

// pass reads page after page and reports whether the listing held still.
func (p pager[T]) pass(ctx context.Context, size int) ([]T, bool, error) {
	var all []T
	seen := map[uuid.UUID]bool{}
	total := -1
	for {
		offset := max(len(all)-1, 0)
		page, count, err := p.read(ctx, size, offset)
		if err != nil {
			return nil, false, err
		}
		if total < 0 {
			total = count
		}
		if count != total {
			return nil, false, nil
		}
		if len(all) > 0 {
			if len(page) == 0 || p.id(page[0]) != p.id(all[len(all)-1]) {
				return nil, false, nil
			}
			page = page[1:]
		}
		for _, item := range page {
			if seen[p.id(item)] {
				return nil, false, nil
			}
			seen[p.id(item)] = true
			all = append(all, item)
		}
		if len(all) >= total {
			return all, len(all) == total, nil
		}
		if len(page) == 0 {
			return nil, false, nil
		}
	}
}

func (p pager[T]) id(item T) uuid.UUID {
	id, _ := p.key(item)
	return id
}

// sorted orders by creation, then ID, and drops doubles.
func (p pager[T]) sorted(items []T) []T {
	slices.SortFunc(items, func(a, b T) int {
		aID, aTime := p.key(a)
		bID, bTime := p.key(b)
		if order := aTime.Compare(bTime); order != 0 {
			return order
		}
		return bytes.Compare(aID[:], bID[:])
	})
	return slices.CompactFunc(items, func(a, b T) bool { return p.id(a) == p.id(b) })
}

// searchQuery builds a q from free text and pairs of key and value. Empty
// values are left out.
func searchQuery(text string, pairs ...string) string {
	var terms []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if value := pairs[i+1]; value != "" {
			terms = append(terms, pairs[i]+":"+quoteTerm(value))
		}
	}
	if text != "" {
		terms = append(terms, text)
	}
	return strings.Join(terms, " ")
}

// quoteTerm quotes a value that would otherwise end early. The server knows
// no escape for a quote, and no name has one.
func quoteTerm(value string) string {
	if !strings.ContainsAny(value, " :\t\"") {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, "") + `"`
}
