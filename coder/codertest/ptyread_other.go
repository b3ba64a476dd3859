//go:build !unix

package codertest

// waiter returns what reads input, with a buffer held while it waits.
func (c *input) waiter() (func() error, error) {
	return func() error {
		p := inputs.Get().(*[]byte)
		n, err := c.conn.Read(*p)
		c.scratch, c.n, c.readErr = p, n, err
		return nil
	}, nil
}
