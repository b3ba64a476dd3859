package agentfleet

import (
	"encoding/base64"
	"math/rand/v2"
	"sync"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// values is text from which values are cut, made once for the process.
var values = sync.OnceValue(func() string {
	random := rand.NewChaCha8([32]byte{'s', 'c', 'a', 'l', 'e'})
	b := make([]byte, 192<<10)
	_, _ = random.Read(b) // never fails
	return base64.RawStdEncoding.EncodeToString(b)
})

// Fields of BatchUpdateMetadataRequest and what is in it.
const (
	fieldMetadata    = 2
	fieldResult      = 2
	fieldCollectedAt = 1
	fieldValue       = 3
)

// appendMetadata appends the request that sends a value for each key, without
// making messages of them first.
func appendMetadata(b []byte, keys [][]byte, size int, now time.Time) []byte {
	text := values()
	var stamp [32]byte
	t := protowire.AppendTag(stamp[:0], 1, protowire.VarintType)
	t = protowire.AppendVarint(t, uint64(now.Unix()))
	t = protowire.AppendTag(t, 2, protowire.VarintType)
	t = protowire.AppendVarint(t, uint64(now.Nanosecond()))
	result := 1 + protowire.SizeBytes(len(t)) + 1 + protowire.SizeBytes(size)
	for _, key := range keys {
		b = protowire.AppendTag(b, fieldMetadata, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(len(key)+1+protowire.SizeBytes(result)))
		b = append(b, key...)
		b = protowire.AppendTag(b, fieldResult, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(result))
		b = protowire.AppendTag(b, fieldCollectedAt, protowire.BytesType)
		b = protowire.AppendBytes(b, t)
		b = protowire.AppendTag(b, fieldValue, protowire.BytesType)
		at := rand.IntN(len(text) - size)
		b = protowire.AppendString(b, text[at:at+size])
	}
	return b
}
