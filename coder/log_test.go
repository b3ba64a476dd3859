package coder_test

import (
	"io"
	"log"
)

// discardLog is for servers whose complaints are expected.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
