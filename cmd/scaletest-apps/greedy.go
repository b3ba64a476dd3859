package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
)

// greedyBytes make 4096 characters of base64, the longest value that agents in
// Coder's greedy template send.
const greedyBytes = 3072

// greedyItem prints a metadata value that no compression makes smaller than its bytes.
func greedyItem(out io.Writer) error {
	b := make([]byte, greedyBytes)
	_, _ = rand.Read(b) // never fails
	if _, err := io.WriteString(out, base64.StdEncoding.EncodeToString(b)); err != nil {
		return fmt.Errorf("print the metadata value: %w: does anybody read it?", err)
	}
	return nil
}
