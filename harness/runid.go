package harness

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"hash/fnv"
	"regexp"
	"strings"
)

// NewRunID returns an identity for a run: 10 lower-case letters and digits
// that hold 50 random bits, so that it can't be guessed and fits into names.
func NewRunID() string {
	var b [7]byte
	_, _ = rand.Read(b[:]) // never fails
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:10]
}

// RunIDOf makes a run's identity of a text that several processes share: an
// identity is left as it is, and a UUID, such as that of a Kubernetes Job, is hashed
// to 50 bits, as [NewRunID] has them. Anything else is an error.
func RunIDOf(text string) (string, error) {
	if uuid.MatchString(text) {
		sum := sha256.Sum256([]byte(strings.ToLower(text)))
		return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10], nil
	}
	if !runID.MatchString(text) {
		return "", fmt.Errorf("run ID %q: want at most 15 lower-case letters, digits and '-', or a UUID", text)
	}
	return text, nil
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// seedOf makes a seed of a run's identity.
func seedOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id))
	return max(h.Sum64(), 1)
}
