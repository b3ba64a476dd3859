package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/coderscale/scaletest/report/live"
)

// following serves the page of a stream that another process writes.
func following(fs *flag.FlagSet) action {
	addr := fs.String("addr", "127.0.0.1:0", "`address` to serve the page at; port 0 is any free one")
	return func(ctx context.Context, args []string, stdio streams) error {
		if len(args) != 1 {
			return usageError{errors.New("want the path of one stream.ndjson")}
		}
		file, err := os.Open(args[0])
		if err != nil {
			return fmt.Errorf("follow the run: %w", err)
		}
		defer file.Close()
		page, err := live.Listen(*addr, live.Config{})
		if err != nil {
			return err
		}
		fmt.Fprintln(stdio.out, page.URL())
		err = follow(ctx, file, page)
		end, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return errors.Join(err, page.Close(end))
	}
}

// follow copies what is appended to a file until ctx is done.
func follow(ctx context.Context, file io.Reader, page io.Writer) error {
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := io.Copy(page, file); err != nil {
			return fmt.Errorf("follow the run: %w", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
