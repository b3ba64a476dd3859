package trafficapps

import "fmt"

// Slugs say what an app does with WebSockets. They are those of Coder's own
// templates for load tests.
const (
	Echo    = "wsec"
	Random  = "wsra"
	Discard = "wsdi"
)

// App is where an app is in a workspace.
type App struct {
	Slug string
	// Port is the same in every template, so that a workspace without a machine is
	// one like any other. It needs no privilege, and leaves 8080 to what people run
	// in their workspaces.
	Port uint16
}

// All are the apps that the templates have.
func All() []App {
	return []App{{Echo, 8081}, {Random, 8082}, {Discard, 8083}}
}

// Config configures an app.
type Config struct {
	// Slug is one of [Echo], [Random] and [Discard]. Any other, also none, sends back
	// what comes.
	Slug string

	// Rate is how many bytes of messages a second a [Random] app sends to each
	// connection. What a client leaves for longer than a second is not made up
	// for. 0 sends as fast as they are taken.
	Rate int
}

// Validate reports what is wrong.
func (c Config) Validate() error {
	if c.Rate < 0 {
		return fmt.Errorf("app %s: the rate is %d bytes a second, want 0 (as fast as they are taken) or more", c.Slug, c.Rate)
	}
	return nil
}
