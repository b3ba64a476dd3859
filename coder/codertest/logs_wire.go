package codertest

import (
	"time"

	"github.com/google/uuid"
)

type logJSON struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	LogSource string    `json:"log_source"`
	LogLevel  string    `json:"log_level"`
	Stage     string    `json:"stage"`
	Output    string    `json:"output"`
}

type agentLogJSON struct {
	ID        int64     `json:"id"`
	CreatedAt time.Time `json:"created_at"`
	Output    string    `json:"output"`
	Level     string    `json:"level"`
	SourceID  uuid.UUID `json:"source_id"`
}

// startupLog is what the startup script of every workspace writes.
const startupLog = "startup script says hallo\nsecond line\n"
