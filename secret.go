package scaletest

// secret is a text that nothing prints. It is behind a pointer because fmt
// calls no methods of an unexported field, but prints what is in it.
type secret struct{ text *string }

func newSecret(text string) secret { return secret{&text} }

func (s secret) set() bool { return s.reveal() != "" }

// reveal is the text itself.
func (s secret) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}
