package keystream

import "encoding/binary"

const (
	low  = 0x0101010101010101
	high = 0x8080808080808080
)

// noControl reports whether no byte is below 0x20, eight at a time.
func noControl(b []byte) bool {
	for len(b) >= 8 {
		v := binary.LittleEndian.Uint64(b)
		if (v-low*0x20) & ^v & high != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if c < 0x20 {
			return false
		}
	}
	return true
}
