package interop

import (
	"testing"

	"github.com/chromedp/chromedp"
)

// playFeed: blocks come, and an outage of the node leaves its gap between them, for later
// readers, too.
func playFeed(t *testing.T, w *window) {
	w.until(t, `document.querySelectorAll(".block").length >= 2 && document.querySelector(".node").textContent === "The node is there"`)
	w.do(t, chromedp.Click(chromedp.CSS("button")))
	w.until(t, `document.querySelector(".node.away") !== null`)
	gap := `[...document.querySelectorAll(".gap")].some((g) => g.textContent.includes("seconds may be missing"))`
	w.until(t, gap)
	w.until(t, `document.querySelector(".block") !== null && document.querySelector(".node:not(.away)") !== null`)
	late := w.another(t)
	late.until(t, gap)
}
