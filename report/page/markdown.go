package page

import "strings"

// special are the characters that format, or that end a cell.
var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "#", `\#`, "~", `\~`,
	"<", "&lt;", ">", "&gt;", "&", "&amp;",
)

// Markdown shows a text as it is in GitHub's Markdown, on one line: nothing of it
// formats, or ends the cell of a table.
func Markdown(text string) string { return special.Replace(strings.Join(strings.Fields(text), " ")) }
