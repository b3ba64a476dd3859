package trafficapps_test

import (
	"bytes"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/trafficapps"
)

// take reads binary messages until an instant, and returns their content.
func take(t *testing.T, c *websocket.Conn, until time.Time) []byte {
	t.Helper()
	require.NoError(t, c.SetReadDeadline(until))
	var all []byte
	for {
		kind, b, err := c.ReadMessage()
		if err != nil {
			require.False(t, time.Now().Before(until), err)
			return all
		}
		require.Equal(t, websocket.BinaryMessage, kind)
		all = append(all, b...)
	}
}

func TestAFloodKeepsItsRate(t *testing.T) {
	for _, rate := range []int{100, 512, 10_000, 1 << 20, 3_333_333} {
		synctest.Test(t, func(t *testing.T) {
			c := serve(t, trafficapps.Config{Slug: trafficapps.Random, Rate: rate}).open()
			got := len(take(t, c, time.Now().Add(20*time.Second)))
			// What is on its way in a message, and in the step that is not over.
			require.InDelta(t, 20*rate, got, 512+float64(rate)/100, "rate %d", rate)
			require.LessOrEqual(t, got, 20*rate)
		})
	}
}

func TestAFloodSendsNoTextThatRepeatsWithinAWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, trafficapps.Config{Slug: trafficapps.Random, Rate: 1 << 20}).open()
		got := take(t, c, time.Now().Add(time.Second))
		require.Greater(t, len(got), 128<<10)
		seen := map[string]bool{}
		for at := 0; at+16 <= 64<<10; at += 16 {
			require.False(t, seen[string(got[at:at+16])], "at %d", at)
			seen[string(got[at:at+16])] = true
		}
		require.True(t, bytes.Equal(got[:32<<10], got[64<<10:96<<10]), "a message is missing or out of order")
	})
}

func TestWhatAClientLeftIsNotMadeUpForBeyondASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 64 << 10
		c := serve(t, trafficapps.Config{Slug: trafficapps.Random, Rate: rate}).open()
		time.Sleep(20 * time.Second) // it takes nothing, for less than the app's patience
		got := len(take(t, c, time.Now().Add(10*time.Second)))
		require.InDelta(t, 11*rate, got, 512+rate/100+512)
	})
}

func TestAFloodGoesOnAsLongAsTheClientSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, trafficapps.Config{Slug: trafficapps.Random}).open()
		var sending sync.WaitGroup
		sending.Go(func() {
			for range 100 {
				assert.NoError(t, c.WriteMessage(websocket.BinaryMessage, make([]byte, 10<<10)), "it does not read what comes")
			}
		})
		for range 5000 {
			_, b, err := c.ReadMessage()
			require.NoError(t, err)
			require.Len(t, b, 512)
		}
		sending.Wait()
	})
}

func TestAClientThatTakesNothingIsLetGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, trafficapps.Config{Slug: trafficapps.Random}).open()
		time.Sleep(31 * time.Second)
		_, err := c.NetConn().Write([]byte{0})
		require.Error(t, err, "the app still waits for it")
	})
}

func TestANegativeRateIsRefused(t *testing.T) {
	err := trafficapps.Config{Slug: trafficapps.Random, Rate: -5}.Validate()
	require.EqualError(t, err, "app wsra: the rate is -5 bytes a second, want 0 (as fast as they are taken) or more")
	require.NoError(t, trafficapps.Config{}.Validate())
}
