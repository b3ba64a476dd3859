// Package page makes self-contained pages with charts: one file that loads
// nothing from anywhere, to be kept, sent and opened years later. Everything that
// package report and those below it draw is made of its parts.
//
// A [Document] is a body, which is HTML of the caller's, and charts, which are
// data. The body has a place for each chart:
//
//	<figure data-chart="echo-times"></figure>
//
// The page draws them when they come into view, on a shared time axis: a drag
// zooms all of them, the cursor of one is that of all. It does the same by keyboard
// (arrows move the cursor, + and - zoom, Escape shows everything), says the values
// to screen readers, and has each chart as a table. It follows the reader's light
// or dark theme, fits a phone, and prints.
//
// Lines are drawn by uPlot 1.6.32 (https://github.com/leeoniya/uPlot, MIT), which
// is embedded with its licence.
package page
