package coder

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
)

// ProvisionerLog is one line of the log of a build or an import.
type ProvisionerLog struct {
	ID        int64     `json:"id"` // grows within a log, with gaps
	CreatedAt time.Time `json:"created_at"`
	Source    string    `json:"log_source"` // provisioner or provisioner_daemon
	Level     string    `json:"log_level"`  // trace, debug, info, warn or error
	Stage     string    `json:"stage"`      // free text, differs between versions
	Output    string    `json:"output"`     // empty for the begin of some stages
}

// AgentLog is one line of the log of an agent's scripts.
type AgentLog struct {
	ID        int64     `json:"id"` // grows within a log, with gaps
	CreatedAt time.Time `json:"created_at"`
	Output    string    `json:"output"`
	Level     string    `json:"level"` // trace, debug, info, warn or error
	SourceID  uuid.UUID `json:"source_id"`
}

// decodeLogs reads one message of a log stream: objects for builds and
// imports, arrays for agents. Both are taken everywhere.
func decodeLogs[T any](data []byte) ([]T, error) {
	var lines []T
	d := json.NewDecoder(bytes.NewReader(data))
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return lines, nil
		}
		if err != nil {
			return lines, fmt.Errorf("a log message can't be read: %w", err)
		}
		if bytes.HasPrefix(raw, []byte("[")) {
			var some []T
			if err := json.Unmarshal(raw, &some); err != nil {
				return lines, fmt.Errorf("a log message can't be read: %w", err)
			}
			lines = append(lines, some...)
			continue
		}
		var one T
		if err := json.Unmarshal(raw, &one); err != nil {
			return lines, fmt.Errorf("a log message can't be read: %w", err)
		}
		lines = append(lines, one)
	}
}

// afterValues is the query that begins a log behind an ID.
func afterValues(after int64) url.Values {
	v := url.Values{}
	if after > 0 {
		v.Set("after", strconv.FormatInt(after, 10))
	}
	return v
}
