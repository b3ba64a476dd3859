package wsconn

import "bytes"

// ParseAll parses data in pieces of at most step bytes.
func ParseAll(data []byte, step int) (payload, control []byte, err error) {
	p := parser{onControl: func(op Opcode, b []byte) {
		control = append(append(control, byte(op)), b...)
	}}
	for len(data) > 0 {
		n := min(len(data), step)
		part, err := p.parse(bytes.Clone(data[:n]))
		payload = append(payload, part...)
		if err != nil {
			return payload, control, err
		}
		data = data[n:]
	}
	return payload, control, nil
}
