package runners_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/coderscale/scaletest/internal/wsconn"
)

// childEnv makes the test binary a server: what it costs must not be counted
// with the client.
const childEnv = "RUNNERS_TEST_SINK"

// runSink serves terminals that echo, or that swallow what they get: with
// "discard" in the command. It answers like a terminal of a fixed kind and is
// no deployment.
func runSink() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err == nil && os.Getenv(childEnv) == "tls" {
		listener, err = tlsListener(listener)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go func() { // ends with its parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if serve := otherSinks[os.Getenv(childEnv)]; serve != nil {
		fmt.Fprintln(os.Stderr, serve(listener))
		os.Exit(1)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			os.Exit(0)
		}
		go sinkConn(conn)
	}
}

// otherSinks are servers of other kinds.
var otherSinks = map[string]func(net.Listener) error{}

func tlsListener(l net.Listener) (net.Listener, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}, MinVersion: tls.VersionTLS13}), nil
}

func sinkConn(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 8<<10)
	req, err := http.ReadRequest(r)
	if err != nil {
		return
	}
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	discard := strings.Contains(req.URL.Query().Get("command"), "discard")
	if strings.Contains(req.URL.Path, "00000000-0000-4000-8000-") {
		discard = true
	}
	frame := make([]byte, 0, 16<<10)
	out := make([]byte, 0, 16<<10)
	var header [8]byte
	for {
		if _, err := io.ReadFull(r, header[:2]); err != nil {
			return
		}
		length := int(header[1] & 0x7f)
		if length == 126 {
			if _, err := io.ReadFull(r, header[2:4]); err != nil {
				return
			}
			length = int(binary.BigEndian.Uint16(header[2:4]))
		}
		frame = frame[:length+4]
		if _, err := io.ReadFull(r, frame); err != nil {
			return
		}
		mask, payload := binary.BigEndian.Uint32(frame), frame[4:]
		wsconn.Mask(payload, mask)
		text, ok := bytes.CutPrefix(payload, []byte(`{"data":"`))
		if !ok {
			continue
		}
		text, ok = bytes.CutSuffix(text, []byte("\\n\"}\n"))
		if !ok || discard && bytes.HasPrefix(text, []byte("#")) {
			continue
		}
		out = append(out[:0], 0x82)
		if n := len(text) + 2; n < 126 {
			out = append(out, byte(n))
		} else {
			out = append(out, 126)
			out = binary.BigEndian.AppendUint16(out, uint16(n))
		}
		out = append(append(out, text...), '\r', '\n')
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

// startSink runs the sink in a process of its own and returns its address.
func startSink(tb testing.TB, kind string) string {
	tb.Helper()
	return startChild(tb, childEnv+"="+kind)
}

// startChild runs the test binary as a server in a process of its own, which the
// variable makes it, and returns the line that it prints. It ends with the test.
func startChild(tb testing.TB, variable string) string {
	tb.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	in, err := cmd.StdinPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	tb.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(tb, err)
	return strings.TrimSpace(line)
}
