package codertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// A resume token lets a client that has lost its connection be the same peer
// again: the peer's ID, when the token expires, and the deployment's word for it.

const (
	resumeBody = len(uuid.UUID{}) + 8
	resumeSize = resumeBody + sha256.Size
)

func (h *tailnetHub) resumeToken(id uuid.UUID, expires time.Time) string {
	b := binary.BigEndian.AppendUint64(id[:], uint64(expires.Unix()))
	return base64.RawURLEncoding.EncodeToString(h.sign(b))
}

func (h *tailnetHub) sign(b []byte) []byte {
	mac := hmac.New(sha256.New, h.secret[:])
	_, _ = mac.Write(b) // it does not fail
	return mac.Sum(b[:len(b):len(b)])
}

// resumed is the ID of the peer that got a token.
func (h *tailnetHub) resumed(token string, t time.Time) (uuid.UUID, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return uuid.Nil, fmt.Errorf("decode the token: %w", err)
	}
	if len(b) != resumeSize || !hmac.Equal(b, h.sign(b[:resumeBody])) {
		return uuid.Nil, errors.New("the token is not one of this deployment")
	}
	if expires := time.Unix(int64(binary.BigEndian.Uint64(b[16:resumeBody])), 0); !t.Before(expires) {
		return uuid.Nil, fmt.Errorf("the token has expired at %s", expires.UTC())
	}
	return uuid.UUID(b[:16]), nil
}
