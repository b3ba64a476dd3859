package harness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// maxTagSets is how many sets of tags an action keeps apart: metrics must cost the
// same for ten users and for ten thousand.
const maxTagSets = 64

// otherTags is the set that all beyond the first maxTagSets share.
const otherTags = "other=true"

// Tag is the part of an action that has a tag, for what is worth keeping apart:
// a region, a template, the first time. What is recorded for it counts for the
// action as well, and the result has both:
//
//	var first = login.Tag("attempt", "first")
//
// A [Threshold] can be about it: P99("login").Tagged("attempt", "first"). Tags
// add up, the same key takes the place of the one before, and the order of keys
// does not matter.
//
// Keys are names as those of actions, or Tag panics. In values, what is not a
// letter, a digit or one of "_.-" becomes '_', and they end after 64 bytes. An
// action keeps 64 sets of tags apart; all further ones are other=true. So never tag
// by user, URL or error text. Make them once, as actions: it takes a lock.
func (a Action) Tag(key, value string) Action {
	if !nameRule.MatchString(key) {
		panic(fmt.Sprintf("harness: tag %q of %v: want lower-case letters, digits and '_', beginning with a letter", key, a))
	}
	base, tags := actions.split(a.id)
	return Action{actions.tagged(base, withTag(tags, key, value))}
}

// withTag puts a tag into a set.
func withTag(tags, key, value string) string {
	set, _ := parseTags(tags)
	if set == nil {
		set = map[string]string{}
	}
	set[key] = tagValue(value)
	return formatTags(set)
}

// tagValue is a value that needs no quotes.
func tagValue(s string) string {
	if s == "" {
		return "_"
	}
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.-", r) {
			return r
		}
		return '_'
	}, s[:min(len(s), 64)])
}

// formatTags is "key=value,key=value", by key.
func formatTags(set map[string]string) string {
	parts := make([]string, 0, len(set))
	for _, key := range slices.Sorted(maps.Keys(set)) {
		parts = append(parts, key+"="+set[key])
	}
	return strings.Join(parts, ",")
}

// parseTags reads what formatTags writes, and spaces in it.
func parseTags(text string) (map[string]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	set := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case !ok || !nameRule.MatchString(key):
			return nil, fmt.Errorf("%q is no tag: want key=value", strings.TrimSpace(part))
		case value != tagValue(value):
			return nil, fmt.Errorf("the tag %s has the value %q, want letters, digits and \"_.-\"", key, value)
		case set[key] != "":
			return nil, fmt.Errorf("the tag %s is there twice", key)
		}
		set[key] = value
	}
	return set, nil
}

// hasTags reports whether a set of tags holds all of those wanted.
func hasTags(tags, wanted string) bool {
	set, _ := parseTags(tags)
	want, _ := parseTags(wanted)
	for key, value := range want {
		if set[key] != value {
			return false
		}
	}
	return true
}

// tagged is the number of an action's tag set.
func (r *registry) tagged(base int, tags string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	sets := r.tags[base]
	if id, ok := sets[tags]; ok {
		return id
	}
	if len(sets) >= maxTagSets {
		tags = otherTags
		if id, ok := sets[tags]; ok {
			return id
		}
	}
	if sets == nil {
		if r.tags == nil {
			r.tags = map[int]map[string]int{}
		}
		sets = map[string]int{}
		r.tags[base] = sets
	}
	r.names = append(r.names, name{base: base, tags: tags})
	sets[tags] = len(r.names) - 1
	return sets[tags]
}

// split is an action without its tags, and those.
func (r *registry) split(id int) (base int, tags string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.names[id]
	return n.base, n.tags
}

// add adds an action's numbers to those of its name and of its tags.
func (t *totals) add(a Action, add func(*series)) {
	base, tags := actions.split(a.id)
	s := t.series(actions.name(base))
	add(s)
	if tags != "" {
		add(s.tagged(tags))
	}
}

// tagged are the numbers of a set of tags.
func (s *series) tagged(tags string) *series {
	t := s.tags[tags]
	if t == nil {
		if s.tags == nil {
			s.tags = map[string]*series{}
		}
		t = &series{}
		s.tags[tags] = t
	}
	return t
}

// with merges all sets that hold these tags.
func (s *series) with(want string) *series {
	if want == "" {
		return s
	}
	sum := &series{}
	for tags, t := range s.tags {
		if hasTags(tags, want) {
			sum.merge(t)
		}
	}
	return sum
}
