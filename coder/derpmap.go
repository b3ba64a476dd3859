package coder

// DERPMap lists the relays of a tailnet, by region. The names are Tailscale's.
type DERPMap struct {
	Regions map[int]DERPRegion `json:"Regions"`
}

// DERPRegion is a group of relays, each of which serves the whole region.
type DERPRegion struct {
	RegionID   int        `json:"RegionID"`
	RegionCode string     `json:"RegionCode"`
	RegionName string     `json:"RegionName"`
	Avoid      bool       `json:"Avoid"`
	Nodes      []DERPNode `json:"Nodes"`
	// EmbeddedRelay says that the deployment relays itself, at its own URL, which
	// is to be taken in place of the nodes' addresses.
	EmbeddedRelay bool `json:"EmbeddedRelay"`
}

// DERPNode is a relay, or a STUN server.
type DERPNode struct {
	Name     string `json:"Name"`
	RegionID int    `json:"RegionID"`
	HostName string `json:"HostName"`
	// CertName is the name in its certificate. Empty means HostName.
	CertName string `json:"CertName"`
	// IPv4, IPv6 are its addresses, where it should not be looked up.
	IPv4 string `json:"IPv4,omitempty"`
	IPv6 string `json:"IPv6,omitempty"`
	// STUNPort is 0 for the usual one, and -1 for none.
	STUNPort int `json:"STUNPort"`
	// DERPPort is 0 for the port of the scheme.
	DERPPort int `json:"DERPPort"`
	// STUNOnly says that it relays nothing.
	STUNOnly bool `json:"STUNOnly"`
	// ForceHTTP says that it has no TLS.
	ForceHTTP bool `json:"ForceHTTP"`
	// InsecureForTests says that its certificate is not to be verified.
	InsecureForTests bool `json:"InsecureForTests"`
}
