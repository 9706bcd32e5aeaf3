package interop

import (
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"
)

// typing replaces what a field has.
func (w *window) typing(t *testing.T, selector, text string) {
	t.Helper()
	w.value(t, `(document.querySelector("`+selector+`").value = "")`)
	w.do(t, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// playChat: two people and a shell in one room; who comes later reads what was said.
func playChat(t *testing.T, w *window) {
	said := `[...document.querySelectorAll(".log li")].map((li) => li.textContent).join("|")`
	people := `[...document.querySelectorAll(".people li")].map((li) => li.textContent).sort().join("|")`
	w.typing(t, "#name", "Ann\r")
	w.typing(t, "#text", "hello\r")
	w.until(t, said+` === "Annhello"`)
	bob := w.another(t)
	bob.until(t, said+` === "Annhello"`)
	bob.typing(t, "#name", "Bob\r")
	for _, x := range []*window{w, bob} {
		x.until(t, people+` === "Ann|Bob"`)
	}
	body(t, post(t, w.host, "examples/chat/lobby", "application/json", `{"name":"curl","text":"<b>hi</b>"}`), http.StatusCreated)
	bob.until(t, said+` === "Annhello|curl<b>hi</b>"`)
	bob.do(t, chromedp.Click(chromedp.CSS(`[data-room=birds]`)))
	bob.until(t, said+` === ""`)
	w.until(t, people+` === "Ann"`)
	bob.typing(t, "#text", "nobody reads this\r")
	bob.until(t, said+` === "Bobnobody reads this"`)
	w.typing(t, "#text", "where is Bob?\r")
	w.until(t, said+` === "Annhello|curl<b>hi</b>|Annwhere is Bob?"`)
}

// playAuction: a bid is seen by all, and one that is too low by nobody.
func playAuction(t *testing.T, w *window) {
	w.until(t, `document.querySelector("#price").textContent === "20"`)
	w.typing(t, "#name", "Ann")
	w.typing(t, "#bid", "30\r")
	w.until(t, `document.querySelector("#answer").textContent === "Your bid is taken."`)
	bob := w.another(t)
	for _, x := range []*window{w, bob} {
		x.until(t, `document.querySelector("#price").textContent === "30" && document.querySelector("#bidder").textContent === "for Ann"`)
	}
	bob.typing(t, "#bid", "31\r")
	bob.until(t, `document.querySelector("#answer").textContent === "somebody has bid 30; bid at least 35"`)
	bob.typing(t, "#bid", "50\r")
	w.until(t, `document.querySelector("#price").textContent === "50" && document.querySelectorAll("#bids li").length === 2`)
}

// playGame: two birds, one of which is steered and seen to move by the other.
func playGame(t *testing.T, w *window) {
	scores := `document.querySelectorAll("#scores li").length`
	w.until(t, scores+` === 1`)
	bob := w.another(t)
	bob.until(t, scores+` === 2`)
	w.until(t, scores+` === 2`)
	picture := `document.querySelector("canvas").toDataURL()`
	for range 2 { // one of them leads away from the edge
		before := bob.value(t, picture)
		w.value(t, `(dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" })), "")`)
		bob.until(t, picture+` !== "`+before+`"`)
		w.value(t, `(dispatchEvent(new KeyboardEvent("keyup", { key: "ArrowLeft" })), "")`)
	}
}

// playDelivery: all vans are there at once, and move; one from a shell comes.
func playDelivery(t *testing.T, w *window) {
	w.until(t, `document.querySelectorAll("tbody tr").length === 5`)
	where := `document.querySelector(".van.is-mine").style.transform`
	before := w.value(t, where)
	w.until(t, where+` !== "`+before+`"`)
	body(t, post(t, w.host, "examples/delivery/van-9", "application/json", `{"van":"van-9","x":3.5,"y":2,"stops":1,"eta_sec":30}`), http.StatusCreated)
	w.until(t, `[...document.querySelectorAll("tbody tr")].at(-1).textContent === "van-9130 s"`)
}

// playDashboard: who comes later has the past at once.
func playDashboard(t *testing.T, w *window) {
	drawn := `document.querySelector("[data-metric=goroutines] path").getAttribute("d")?.split(/[ML]/).length > 2`
	w.until(t, drawn)
	w.until(t, `document.querySelector("[data-metric=goroutines] output").textContent > 0`)
	late := w.another(t)
	late.until(t, drawn)
}

// playScores: three matches at once, and the minutes pass.
func playScores(t *testing.T, w *window) {
	w.until(t, `document.querySelectorAll(".match").length === 3`)
	minutes := `[...document.querySelectorAll(".minute")].map((m) => m.textContent).join()`
	before := w.value(t, minutes)
	w.until(t, minutes+` !== "`+before+`"`)

	// Whoever comes later is shown what there is, at once.
	late := w.another(t)
	late.until(t, `[...document.querySelectorAll(".home")].map((h) => h.textContent).sort().join() === "Curlews,Knots,Stints"`)
}
