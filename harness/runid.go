package harness

import (
	"crypto/rand"
	"encoding/base32"
	"hash/fnv"
	"strings"
)

// NewRunID returns an identity for a run: 10 lower-case letters and digits
// that hold 50 random bits, so that it can't be guessed and fits into names.
func NewRunID() string {
	var b [7]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:10]
}

// seedOf makes a seed of a run's identity.
func seedOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return max(h.Sum64(), 1)
}
