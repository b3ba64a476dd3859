package agentfleet

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/coderscale/scaletest/coder/internal/agentpb"
)

const (
	// maxLogLine keeps a line, with what is around it, in one message.
	maxLogLine = 64 << 10
	// logBatch is how much is sent at a time. The server takes 1 MiB.
	logBatch = 256 << 10
)

// writeLogs writes the lines of a start. The deployment shows them as from an
// external source.
func (a *agent) writeLogs(ctx context.Context) error {
	cfg := a.fleet.cfg.Logs
	for n := 0; n < cfg.Lines; {
		now := timestamppb.New(time.Now())
		req := &agentpb.BatchCreateLogsRequest{}
		for size := 0; n < cfg.Lines && size+cfg.Bytes <= logBatch; n++ {
			req.Logs = append(req.Logs, &agentpb.Log{CreatedAt: now, Output: logLine(n, cfg.Bytes), Level: agentpb.Log_INFO})
			size += cfg.Bytes + 32
		}
		var out agentpb.BatchCreateLogsResponse
		if err := a.call(ctx, createLogs, req, &out); err != nil {
			return err
		}
		if out.GetLogLimitExceeded() {
			return nil // 1 MiB is all that the deployment keeps
		}
	}
	return nil
}

func logLine(n, size int) string {
	line := fmt.Sprintf("simulated start, line %d ", n+1)
	if len(line) >= size {
		return line[:size]
	}
	return line + strings.Repeat(".", size-len(line))
}
