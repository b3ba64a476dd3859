package coder_test

import (
	"io"
	"log"
	"net/http"
	"net/url"
)

// discardLog is for servers whose complaints are expected.
func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// noProxy keeps the environment of the test out of it.
func noProxy(*http.Request) (*url.URL, error) { return nil, nil }
