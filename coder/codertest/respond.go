package codertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
)

// apiError is the JSON of every refusal.
type apiError struct {
	Message     string       `json:"message"`
	Detail      string       `json:"detail,omitempty"`
	Validations []validation `json:"validations,omitempty"`
}

type validation struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func msg(format string, args ...any) apiError { return apiError{Message: fmt.Sprintf(format, args...)} }

// invalid is a refusal that names the fields.
func invalid(message string, pairs ...string) apiError {
	e := apiError{Message: message}
	for i := 0; i+1 < len(pairs); i += 2 {
		e.Validations = append(e.Validations, validation{pairs[i], pairs[i+1]})
	}
	return e
}

// notFound is said of what does not exist and of what may not be seen.
var notFound = apiError{Message: "Resource not found or you do not have access to this resource"}

// forbidden is said of what may be seen but not done.
var forbidden = apiError{Message: "Forbidden.", Detail: "You don't have permission to view this content. If you believe this is a mistake, please contact your administrator or try signing in with different credentials."}

// page is an answer that is not JSON.
type page struct {
	contentType string
	body        string
}

// handled means that the handler has answered itself.
const handled = 0

// write answers with JSON, one object and a newline.
func write(w http.ResponseWriter, status int, body any) {
	switch b := body.(type) {
	case nil:
		w.WriteHeader(status)
		return
	case page:
		w.Header().Set("Content-Type", b.contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(b.body)) // the client may be gone
		return
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(true)
	if err := enc.Encode(body); err != nil {
		status = http.StatusInternalServerError
		buf.Reset()
		fmt.Fprintf(&buf, "{\"message\":%q}\n", err.Error())
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(buf.Bytes()) // the client may be gone
}
