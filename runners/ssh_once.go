package runners

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/google/uuid"

	"github.com/coderscale/scaletest/harness"
)

// once is an iteration of the modes that make no load.
func (u *sshUser) once(ctx context.Context, rec *harness.Recorder) error {
	cfg := u.group.cfg
	switch cfg.Mode {
	case SSHShellMode:
		return u.wrap("shell", rec.Do(ctx, SSHShell, u.shell))
	case SSHBulkMode:
		err := rec.Do(ctx, SSHUpload, func(ctx context.Context) error {
			n, err := u.upload(ctx, cfg.Bytes)
			rec.Add(BytesSent, n)
			return err
		})
		if err != nil {
			return u.wrap("upload", err)
		}
		return u.wrap("download", rec.Do(ctx, SSHDownload, func(ctx context.Context) error {
			n, err := u.download(ctx, cfg.Bytes)
			rec.Add(BytesReceived, n)
			return err
		}))
	}
	return u.wrap("exec", rec.Do(ctx, SSHExec, u.exec))
}

func (u *sshUser) wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return u.failed(what, err)
}

// command runs a command to its end. It gives it in, and its output to out.
func (u *sshUser) command(ctx context.Context, command string, in io.Reader, out io.Writer) (received int64, err error) {
	s, err := u.open(ctx, command, false)
	if err != nil {
		return 0, err
	}
	stop := u.endWith(ctx)
	defer func() {
		stop()
		s.close()
		err = cutWhileClosing(ctx, err)
	}()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(s, in)
		sent <- errors.Join(err, s.CloseWrite())
	}()
	received, err = io.Copy(out, s)
	if serr := <-sent; err == nil && serr != nil && !errors.Is(serr, io.EOF) { // it may end without reading
		err = serr
	}
	if ctx.Err() != nil {
		return received, context.Cause(ctx)
	}
	if err != nil {
		return received, err
	}
	<-s.gone
	switch {
	case s.signal != "":
		return received, fmt.Errorf("%q was ended by signal %s", command, s.signal)
	case s.status < 0:
		return received, fmt.Errorf("%q: the connection was lost before it ended", command)
	case s.status > 0:
		said, _ := io.ReadAll(io.LimitReader(s.Stderr(), 1<<10)) // what there is
		return received, fmt.Errorf("%q ended with status %d: %s", command, s.status, bytes.TrimSpace(said))
	}
	return received, nil
}

// exec runs the command and looks at its output.
func (u *sshUser) exec(ctx context.Context) error {
	var out limitedBuffer
	if _, err := u.command(ctx, u.group.cfg.Command, strings.NewReader(""), &out); err != nil {
		return err
	}
	if !strings.Contains(string(out), u.group.cfg.ExpectOutput) {
		return fmt.Errorf("%q did not print %q%s", u.group.cfg.Command, u.group.cfg.ExpectOutput, excerpt(string(out)))
	}
	return nil
}

// limitedBuffer keeps the first of what is written to it.
type limitedBuffer []byte

func (b *limitedBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p[:min(len(p), maxOutput-len(*b))]...)
	return len(p), nil
}

// upload sends n bytes to a process that counts them, so that none is missing.
func (u *sshUser) upload(ctx context.Context, n int64) (int64, error) {
	var out limitedBuffer
	if _, err := u.command(ctx, "wc -c", io.LimitReader(zeros{}, n), &out); err != nil {
		return 0, err
	}
	if got := strings.TrimSpace(string(out)); got != fmt.Sprint(n) {
		return 0, fmt.Errorf("of %d bytes the other side counted %.40q", n, got)
	}
	return n, nil
}

// download receives n bytes.
func (u *sshUser) download(ctx context.Context, n int64) (int64, error) {
	got, err := u.command(ctx, fmt.Sprintf("head -c %d /dev/zero", n), strings.NewReader(""), io.Discard)
	if err == nil && got != n {
		err = fmt.Errorf("of %d bytes only %d came", n, got)
	}
	return got, err
}

// zeros never ends.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// shell opens a shell in a terminal, has it answer, and leaves.
func (u *sshUser) shell(ctx context.Context) (err error) {
	s, err := u.open(ctx, "", true)
	if err != nil {
		return err
	}
	stop := u.endWith(ctx)
	defer func() {
		stop()
		s.close()
		err = cutWhileClosing(ctx, err)
	}()
	// The terminal shows what is typed, so the answer must differ from it.
	word := strings.ReplaceAll(uuid.NewString(), "-", "")
	if _, err := io.WriteString(s, "echo "+word[:16]+"''"+word[16:]+"\nexit\n"); err != nil {
		return fmt.Errorf("type a command: %w", err)
	}
	var out limitedBuffer
	_, err = io.Copy(&out, s)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return err
	case !strings.Contains(string(out), word):
		return fmt.Errorf("the shell did not answer to echo%s", excerpt(string(out)))
	}
	return nil
}

// cutWhileClosing is the end of ctx where that came before a session was closed, which
// takes an answer of the other side, too.
func cutWhileClosing(ctx context.Context, err error) error {
	if err == nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
