package codertest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

const (
	maxFile        = 100 << 20
	filesPerMinute = 12
)

// file is an uploaded archive, as tar.
type file struct {
	id   uuid.UUID
	by   *user
	sum  [sha256.Size]byte
	data []byte
}

func isFiles(r *http.Request) bool {
	return r.URL.Path == "/api/v2/files" || strings.HasPrefix(r.URL.Path, "/api/v2/files/")
}

func (s *Server) fileRoutes() {
	s.private("POST /api/v2/files", upload)
	s.private("GET /api/v2/files/{file}", download)
}

// upload keeps an archive. The same one of the same user is the same file.
func upload(c *call) (int, any) {
	if !c.user.managesTemplates() {
		return http.StatusForbidden, forbidden
	}
	kind := c.r.Header.Get("Content-Type")
	zipped := kind == "application/zip" || kind == "application/x-zip-compressed"
	if !zipped && kind != "application/x-tar" {
		return http.StatusBadRequest, msg("Unsupported content type header %q.", kind)
	}
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return http.StatusRequestEntityTooLarge, apiError{Message: "Request body too large.", Detail: err.Error()}
		}
		return http.StatusBadRequest, apiError{Message: "Failed to read file from request.", Detail: err.Error()}
	}
	if zipped {
		if data, err = tarOfZip(data); err != nil {
			return http.StatusBadRequest, apiError{Message: "Incomplete .zip archive file.", Detail: err.Error()}
		}
	}
	type stored struct {
		ID uuid.UUID `json:"hash"`
	}
	sum := sha256.Sum256(data)
	st := c.s.state
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, f := range st.files {
		if f.sum == sum && f.by == c.user {
			return http.StatusOK, stored{f.id}
		}
	}
	f := &file{id: st.newID(), by: c.user, sum: sum, data: data}
	st.files[f.id] = f
	return http.StatusCreated, stored{f.id}
}

func download(c *call) (int, any) {
	id, e := pathID(c, "file")
	if e != nil {
		return http.StatusBadRequest, e
	}
	if format := c.r.URL.Query().Get("format"); format != "" {
		return http.StatusBadRequest, msg("Unsupported conversion format.")
	}
	c.s.state.mu.RLock()
	f := c.s.state.files[id]
	c.s.state.mu.RUnlock()
	if f == nil || f.by != c.user && !c.user.managesTemplates() {
		return http.StatusNotFound, notFound
	}
	return http.StatusOK, page{"application/x-tar", string(f.data)}
}

// tarOfZip converts an archive. What it may hold is bounded, because a small
// one can be unpacked into a very large one.
func tarOfZip(data []byte) ([]byte, error) {
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, entry := range z.File {
		if entry.FileInfo().IsDir() {
			continue
		}
		content, err := unzip(entry, maxFile-int64(out.Len()))
		if err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{Name: entry.Name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return nil, err
		}
		if _, err := w.Write(content); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func unzip(entry *zip.File, limit int64) ([]byte, error) {
	r, err := entry.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("it holds more than %d bytes", maxFile)
	}
	return content, err
}

// check reads the archive to its end.
func (f *file) check() error {
	r := tar.NewReader(bytes.NewReader(f.data))
	for {
		if _, err := r.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
