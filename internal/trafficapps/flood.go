package trafficapps

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

const (
	// floodMessage is how many bytes a message of wsra has.
	floodMessage = 512
	// floodStep is the shortest time between two wake-ups of a flood with a rate.
	floodStep = 10 * time.Millisecond
)

// random is what wsra sends, again and again. It is longer than the window of any
// compression on the way.
var random = sync.OnceValue(func() []byte {
	b := make([]byte, 64<<10)
	_, _ = rand.NewChaCha8([32]byte{'w', 's', 'r', 'a'}).Read(b) // never fails
	return b
})

// flood sends random messages until the client has gone: rate bytes a second, or as
// fast as they are taken if it is 0.
func flood(conn *websocket.Conn, rate int, gone <-chan struct{}) {
	text := random()
	begun, sent := time.Now(), 0
	for at := 0; ; at = (at + floodMessage) % len(text) {
		if rate > 0 {
			late := sleepUntil(begun.Add(took(sent+floodMessage, rate)), gone)
			if late < 0 {
				return
			}
			if late > time.Second { // what was not taken for so long is left out
				begun = begun.Add(late - time.Second)
			}
			sent += floodMessage
		}
		_ = conn.SetWriteDeadline(time.Now().Add(stall)) // never fails
		if err := conn.WriteMessage(websocket.BinaryMessage, text[at:at+floodMessage]); err != nil {
			if !errors.Is(err, websocket.ErrCloseSent) {
				_ = conn.Close() // so that nobody waits for the client
			}
			return
		}
	}
}

// took is how long so many bytes take at a rate.
func took(bytes, rate int) time.Duration {
	whole, rest := bytes/rate, bytes%rate
	return time.Duration(whole)*time.Second + time.Duration(rest)*time.Second/time.Duration(rate)
}

// sleepUntil waits for an instant and says how late it is; it is negative when the
// client has gone. It sleeps for a step at least, so that a high rate goes out as few
// bursts.
func sleepUntil(due time.Time, gone <-chan struct{}) time.Duration {
	wait := time.Until(due)
	if wait <= 0 {
		return -wait
	}
	timer := time.NewTimer(max(wait, floodStep))
	defer timer.Stop()
	select {
	case <-timer.C:
		return time.Since(due)
	case <-gone:
		return -1
	}
}
