package progress

// Other is the name under which the rest is summed up.
const Other = "other"

// names are the names of one kind that are kept apart. A name that is keeps its
// place for good, because a sum that moves elsewhere looks as if it had begun
// anew. The zero value keeps none apart. It is not safe for concurrent use.
type names struct {
	limit int
	own   map[string]bool
}

// of is the name itself, or [Other].
func (n *names) of(name string) string {
	switch {
	case name == Other: // or it would be there twice
	case n.own[name]:
		return name
	case len(n.own) < n.limit:
		if n.own == nil {
			n.own = map[string]bool{}
		}
		n.own[name] = true
		return name
	}
	return Other
}
