package interop

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/godwit-io/godwit/client"
)

// typing replaces what a field has.
func (w *window) typing(t *testing.T, selector, text string) {
	t.Helper()
	w.value(t, `(document.querySelector("`+selector+`").value = "")`)
	w.do(t, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// playChat: two people and a shell in one room; a later reader sees what was said.
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
	// Whether a window that is not in front draws depends on the browser: what the server says counts.
	c, err := client.Dial(t.Context(), "http://"+w.host, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	state, err := c.Subscribe("examples/game/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var came []string
	for _, key := range []string{"ArrowLeft", "ArrowRight"} {
		w.value(t, `(dispatchEvent(new KeyboardEvent("keydown", { key: "`+key+`" })), "")`)
		came = append(came, moved(ctx, t, state))
		w.value(t, `(dispatchEvent(new KeyboardEvent("keyup", { key: "`+key+`" })), "")`)
	}
	if came[0] != came[1] {
		t.Errorf("two birds have moved, and one was steered: %q", came)
	}
}

// moved waits for a bird to move, and returns which one.
func moved(ctx context.Context, t *testing.T, state *client.Subscription) string {
	t.Helper()
	places := map[string]float64{}
	for e, err := range state.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Message == nil {
			continue
		}
		var world struct {
			Birds []struct {
				ID string
				X  float64
			}
		}
		if err := json.Unmarshal(e.Message.Data, &world); err != nil {
			t.Fatal(err)
		}
		for _, b := range world.Birds {
			if x, isKnown := places[b.ID]; isKnown && x != b.X {
				return b.ID
			}
			places[b.ID] = b.X
		}
	}
	t.Fatal("nobody moved")
	return ""
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

// playDashboard: a later reader has the past at once.
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

	// A page that is opened later shows what there is, at once.
	late := w.another(t)
	late.until(t, `[...document.querySelectorAll(".home")].map((h) => h.textContent).sort().join() === "Curlews,Knots,Stints"`)
}

// playSeats: of two people who want a seat one gets it, and a later one sees the taken seats.
func playSeats(t *testing.T, w *window) {
	seat := func(n int) string {
		return `[...document.querySelectorAll(".hall button")][` + string(rune('0'+n)) + `]`
	}
	w.value(t, `(`+seat(0)+`.click(), "")`)
	w.until(t, seat(0)+`.className === "is-mine" && document.querySelector("#answer").textContent === "A1 is yours for a minute."`)
	bob := w.another(t)
	bob.until(t, seat(0)+`.className === "is-taken"`)
	bob.value(t, `(`+seat(0)+`.click(), "")`)
	bob.until(t, `document.querySelector("#answer").textContent === "somebody else has A1"`)
	bob.value(t, `(`+seat(1)+`.click(), "")`)
	w.until(t, seat(1)+`.className === "is-taken" && `+seat(0)+`.className === "is-mine"`)
}

// playInbox: what came before is there, what is read on one device is read on the other.
func playInbox(t *testing.T, w *window) {
	unread := `document.querySelector("#unread").textContent`
	body(t, post(t, w.host, "examples/inbox/ann", "application/json", `{"text":"before"}`), http.StatusCreated)
	phone := w.another(t)
	for _, x := range []*window{w, phone} {
		x.until(t, unread+` === "1"`)
	}
	w.do(t, chromedp.Click(chromedp.CSS("#read")))
	for _, x := range []*window{w, phone} {
		x.until(t, unread+` === "0"`)
	}
	w.typing(t, "#after", "0")
	w.typing(t, "#text", "the kettle\r")
	phone.until(t, unread+` === "1" && document.querySelector("#list li").textContent.startsWith("the kettle")`)
	w.until(t, `document.querySelector("#answer").textContent === "It was sent."`)
	w.value(t, `(document.querySelector("#person").value = "bob", document.querySelector("#person").dispatchEvent(new Event("change")), "")`)
	w.until(t, unread+` === "0" && document.querySelectorAll("#list li").length === 0`)
	w.value(t, `(document.querySelector("#person").value = "ann", document.querySelector("#person").dispatchEvent(new Event("change")), "")`)
	w.until(t, unread+` === "1" && document.querySelectorAll("#list li").length === 2`)
}

// playAudio: pieces come as they were played, and are given to the audio clock.
func playAudio(t *testing.T, w *window) {
	w.do(t, chromedp.Click(chromedp.CSS("#listen")))
	w.until(t, `document.querySelector("#pieces").textContent > 5 && document.querySelector("#listeners").textContent === "1"`)
	w.until(t, `parseInt(document.querySelector("#ahead").textContent) > 0`)
	blank := `document.querySelector("canvas").getContext("2d").getImageData(0, 0, 800, 128).data.every((v) => v === 0)`
	w.until(t, `!`+blank)
}

// playText: two people type at the same time, and have the same; a later one has it, too.
func playText(t *testing.T, w *window) {
	text := `document.querySelector("#text").value`
	bob := w.another(t)
	for _, x := range []*window{w, bob} {
		x.until(t, `document.querySelector("#people").textContent === "2 people are here"`)
	}
	w.do(t, chromedp.SendKeys(chromedp.CSS("#text"), "waders of the north"))
	bob.until(t, text+` === "waders of the north"`)
	// Bob writes in front of where Ann goes on.
	bob.value(t, `(document.querySelector("#text").setSelectionRange(0, 0), "")`)
	bob.do(t, chromedp.SendKeys(chromedp.CSS("#text"), "The "))
	w.do(t, chromedp.SendKeys(chromedp.CSS("#text"), " sea"))
	for _, x := range []*window{w, bob} {
		x.until(t, text+` === "The waders of the north sea"`)
	}
	late := w.another(t)
	late.until(t, text+` === "The waders of the north sea"`)
}
