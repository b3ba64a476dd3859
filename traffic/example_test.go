package traffic_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/coderscale/scaletest/traffic"
)

// A pump sends 64 bytes every 5 ms for 100 ms over a connection whose other end
// returns what it gets, and compares what comes back.
func ExamplePump() {
	pump, err := traffic.NewPump(traffic.PumpConfig{
		Load: traffic.Load{
			BytesPerTick: 64,
			Shape:        traffic.For{Shape: traffic.Every(5 * time.Millisecond), Duration: 100 * time.Millisecond},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer pump.Close()

	near, far := net.Pipe()
	go func() { _, _ = io.Copy(far, far) }() // the echo

	stream := pump.Attach(near, 0, time.Now())
	// Until the load is sent and answered, or the connection is lost.
	if err := stream.Wait(context.Background()); err != nil {
		fmt.Println(err)
	}
	near.Close()
	stream.Close()

	st := pump.Stats()
	fmt.Println("intended:", st.Intended, "sent:", st.Sent, "dropped:", st.Dropped(), "pending:", st.Pending)
	fmt.Println("echoed:", st.Echoed, "lost:", st.Lost, "corrupt:", st.Corrupt)
	// Output:
	// intended: 20 sent: 20 dropped: 0 pending: 0
	// echoed: 20 lost: 0 corrupt: 0
}
