package codertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

// longestLog is how much an agent may write to its log, and how much at a time.
const longestLog = 1 << 20

// foreignSource is the source of what others have written to an agent's log. It
// is the same in every deployment.
var foreignSource = uuid.MustParse("3b579bf4-1ed8-4b99-87a8-e9a1e3410410")

// createLogs appends to the log of an agent. What would make it too long is left
// out as a whole, and from then on the log says that something is missing.
func createLogs(x *agentSession, in *agentpb.BatchCreateLogsRequest) (*agentpb.BatchCreateLogsResponse, error) {
	x.s.stats.logCalls.Add(1)
	a := x.agent
	l := a.live
	source := foreignSource
	if len(in.LogSourceId) > 0 {
		id, err := uuid.FromBytes(in.LogSourceId)
		if err != nil {
			return nil, fmt.Errorf("write to the log: its source: %w", err)
		}
		if id != uuid.Nil {
			source = id
		}
	}
	if source != foreignSource && (source != a.sourceID || a.sub != nil) {
		return nil, fmt.Errorf("write to the log: the agent has no log source %s", source)
	}
	size := 0
	for _, line := range in.Logs {
		size += len(line.Output)
	}
	if l.overflowed || l.logBytes+size > longestLog {
		if !l.overflowed {
			l.overflowed = true
			x.changed()
		}
		return &agentpb.BatchCreateLogsResponse{LogLimitExceeded: true}, nil
	}
	for _, line := range in.Logs {
		at := now()
		if line.CreatedAt.IsValid() {
			at = line.CreatedAt.AsTime().Truncate(time.Microsecond)
		}
		level := "info"
		if name := agentpb.Log_Level_name[int32(line.Level)]; name != "" && line.Level != agentpb.Log_LEVEL_UNSPECIFIED {
			level = strings.ToLower(name)
		}
		x.s.state.logID++
		l.logs = append(l.logs, agentLogJSON{x.s.state.logID, at, line.Output, level, source})
	}
	first := l.logBytes == 0 && size > 0 || source == foreignSource && !l.foreign
	l.logBytes += size
	l.foreign = l.foreign || source == foreignSource
	l.logged.fire()
	if first { // pages begin to show a log
		x.changed()
	}
	return &agentpb.BatchCreateLogsResponse{}, nil
}
