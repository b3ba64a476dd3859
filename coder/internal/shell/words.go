package shell

import (
	"strconv"
	"strings"
)

// splitCommands cuts at semicolons and newlines outside of quotes.
func splitCommands(s string) []string {
	var out []string
	var quote rune
	return append(out, strings.FieldsFunc(s, func(r rune) bool {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		default:
			return r == ';' || r == '\n'
		}
		return false
	})...)
}

// words cuts a command into words: quotes are removed, variables expanded.
func (sh *interpreter) words(s string) []string {
	var out []string
	var word strings.Builder
	started := false
	var quote byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t'):
			if started {
				out = append(out, word.String())
				word.Reset()
				started = false
			}
			continue
		case c == quote && quote != 0:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == '\\' && quote == 0 && i+1 < len(s):
			i++
			word.WriteByte(s[i])
		case c == '$' && quote != '\'':
			name := variable(s[i+1:])
			if name == "" {
				word.WriteByte(c)
				break
			}
			word.WriteString(sh.value(name))
			i += len(name)
		default:
			word.WriteByte(c)
		}
		started = true
	}
	if started {
		out = append(out, word.String())
	}
	return out
}

// variable is the name at the beginning of s.
func variable(s string) string {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n] >= 'A' && s[n] <= 'Z' || s[n] >= 'a' && s[n] <= 'z' || n > 0 && s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return s[:n]
}

func (sh *interpreter) value(name string) string {
	if v, ok := sh.vars[name]; ok {
		return v
	}
	switch name {
	case "COLUMNS":
		return strconv.Itoa(sh.size.Columns)
	case "LINES":
		return strconv.Itoa(sh.size.Rows)
	case "TERM":
		return "xterm-256color"
	case "HOME":
		return "/root"
	case "USER":
		return "root"
	case "SHELL":
		return "/bin/bash"
	}
	return ""
}
