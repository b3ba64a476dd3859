package harnesstest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// pair is a connection by an Env, in whose Run something goes wrong, and its other
// end, which returns what it gets.
func pair(t *testing.T, s script) (*Env, net.Conn) {
	e := newEnv("test", s)
	e.enter(inRun)
	here, there := net.Pipe()
	c, err := e.DialBy(t.Context(), "the other end", func(context.Context) (net.Conn, error) { return here, nil })
	require.NoError(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(there, there) // until one of them is closed
	}()
	t.Cleanup(func() {
		_ = c.Close()
		_ = there.Close()
		<-done
		require.Empty(t, e.open())
	})
	return e, c
}

func TestAConnectionIsResetAtItsOperation(t *testing.T) {
	for _, f := range []fault{faultReset, faultGone, faultStatus} { // which is of requests only
		e, c := pair(t, script{fault: f, at: 3})
		buf := make([]byte, 8)
		_, err := c.Write([]byte("one"))
		require.NoError(t, err)
		n, err := c.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "one", string(buf[:n]))
		_, err = c.Write([]byte("two"))
		require.ErrorIs(t, err, syscall.ECONNRESET, "%v", f)
		require.ErrorContains(t, err, "made to fail at operation 3")
		_, err = c.Read(buf)
		require.Error(t, err)
		fired, ops, later := e.history()
		require.Equal(t, 3, fired.number)
		require.Len(t, ops, 3)
		require.True(t, ops[1].answered, "what came back was for it")
		require.False(t, ops[2].answered)
		require.Empty(t, later)
	}
}

func TestAnAnswerIsLostAfterTheWorkWasDone(t *testing.T) {
	_, c := pair(t, script{fault: faultLost, at: 2})
	_, err := c.Write([]byte("one"))
	require.NoError(t, err)
	_, err = c.Read(make([]byte, 8))
	require.ErrorIs(t, err, syscall.ECONNRESET)
	_, err = c.Write([]byte("two"))
	require.Error(t, err)
}

func TestARequestIsAnsweredInTheOtherSidesPlace(t *testing.T) {
	_, c := pair(t, script{fault: faultStatus, at: 2})
	req, err := http.NewRequest(http.MethodPost, "http://there/x", http.NoBody)
	require.NoError(t, err)
	answer := make(chan error, 1)
	go func() { // who reads already is woken
		resp, err := http.ReadResponse(bufio.NewReader(c), req)
		if err == nil && resp.StatusCode != http.StatusInternalServerError {
			err = errors.New(resp.Status)
		}
		answer <- err
	}()
	require.NoError(t, req.Write(c))
	require.NoError(t, <-answer)
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err, "and then it ends")
}

func TestSilenceLastsUntilTheCleanupADeadlineOrTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := pair(t, script{fault: faultSilence, at: 3})
		_, err := c.Write([]byte("one")) // whose echo comes in the silence
		require.NoError(t, err)
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Second)))
		_, err = c.Write([]byte("two"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		buf := make([]byte, 8)
		require.NoError(t, c.SetDeadline(time.Now().Add(time.Second)))
		_, err = c.Read(buf)
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, c.SetDeadline(time.Time{}))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = e.DialBy(ctx, "it again", func(context.Context) (net.Conn, error) { return nil, errors.New("reached") })
		require.ErrorIs(t, err, errSilence)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, e.Do(ctx, "call it", func(context.Context) error { return nil }), errSilence)

		time.AfterFunc(time.Minute, func() { e.enter(inCleanup) })
		n, err := c.Read(buf)
		require.NoError(t, err)
		require.Equal(t, "one", string(buf[:n]), "what came meanwhile is not lost")
		_, err = c.Write([]byte("two"))
		require.NoError(t, err)
	})
}

func TestWhoWaitsInSilenceIsWokenByTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := pair(t, script{fault: faultSilence, at: 2})
		time.AfterFunc(time.Second, func() { _ = c.Close() })
		_, err := c.Write([]byte("one"))
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestWhatIsGoneCanNotBeReachedBeforeTheCleanup(t *testing.T) {
	e, c := pair(t, script{fault: faultGone, at: 2})
	require.ErrorIs(t, e.Do(t.Context(), "call it", func(context.Context) error { return nil }), syscall.ECONNRESET)
	_, err := c.Read(make([]byte, 1))
	require.Error(t, err, "what was open is closed")
	dial := func(context.Context) (net.Conn, error) { return nil, errors.New("reached") }
	_, err = e.DialBy(t.Context(), "it", dial)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	e.enter(inCleanup)
	_, err = e.DialBy(t.Context(), "it", dial)
	require.ErrorContains(t, err, "reached")
}

func TestAnOperationOfOnesOwnFailsBeforeOrAfterItIsDone(t *testing.T) {
	for f, want := range map[fault]bool{faultReset: false, faultStatus: false, faultLost: true} {
		e := newEnv("test", script{fault: f, at: 1})
		e.enter(inSetup)
		done := false
		err := e.Do(t.Context(), "pay", func(context.Context) error { done = true; return nil })
		require.ErrorContains(t, err, "pay: ")
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Equal(t, want, done, "%v", f)
	}
}

func TestWhatNewAsksForIsNoOperation(t *testing.T) {
	e := newEnv("test", script{fault: faultGone, at: 1})
	require.NoError(t, e.Do(t.Context(), "look around", func(context.Context) error { return nil }))
	fired, ops, _ := e.history()
	require.Nil(t, fired)
	require.Empty(t, ops)
}

func TestTheWritingEndOfAConnectionClosesAloneWhereItCan(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	e := newEnv("test", script{})
	e.enter(inRun)
	c, err := e.Dial(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	there, err := l.Accept()
	require.NoError(t, err)
	defer there.Close()
	require.NoError(t, c.(interface{ CloseWrite() error }).CloseWrite())
	_, err = there.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	_, err = there.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
}

func TestARunIsStoppedWhenTheOperationIsAnswered(t *testing.T) {
	for _, mute := range []bool{false, true} {
		e, c := pair(t, script{at: 2, stop: true, mute: mute})
		stopped := false
		e.began(func() { stopped = true })
		_, err := c.Write([]byte("one"))
		require.NoError(t, err)
		require.Equal(t, mute, stopped)
		_, err = c.Read(make([]byte, 8))
		require.NoError(t, err)
		require.True(t, stopped)
	}
}

func TestAStopThatIsAskedForBeforeTheRunBeganIsMadeUpFor(t *testing.T) {
	e := newEnv("test", script{at: 1, stop: true})
	e.enter(inRun)
	require.NoError(t, e.Do(t.Context(), "call it", func(context.Context) error { return nil }))
	stopped := 0
	e.began(func() { stopped++ })
	require.Equal(t, 1, stopped)
}
