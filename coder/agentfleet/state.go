package agentfleet

// state is where an agent is.
type state int

const (
	stateWaiting state = iota // for its turn to connect
	stateConnected
	stateReady
	stateEnded
)

func (s state) connected() bool { return s == stateConnected || s == stateReady }
