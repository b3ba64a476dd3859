package harness

import _ "embed"

// ResultSchema is the JSON Schema of result.json, and StreamSchema that of a line
// of stream.ndjson. Both are of [SchemaVersion]; a later release may add fields to
// it, which readers should not stumble over.
var (
	//go:embed result.schema.json
	ResultSchema []byte

	//go:embed stream.schema.json
	StreamSchema []byte
)
