//go:build linux

package chaos

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/godwit-io/godwit/internal/witness"
)

// object is whatever a server says: an envelope, a gap, a vector, a reply, an end.
type object struct {
	ID    uint64 `json:"id"`
	OK    *reply `json:"ok"`
	Error *struct {
		Type    string `json:"type"`
		Detail  string `json:"detail"`
		RetryMS int    `json:"retry_after_ms"`
	} `json:"error"`

	Channel  string `json:"channel"`
	Position string `json:"position"`
	Data     string `json:"data"`

	Gap    *gap            `json:"gap"`
	Vector json.RawMessage `json:"vector"` // a string, or in a session an object
	End    *struct {
		Code      int    `json:"code"`
		Reason    string `json:"reason"`
		Reconnect bool   `json:"reconnect"`
	} `json:"end"`
}

type reply struct {
	Session   string `json:"session"`
	Secret    string `json:"secret"`
	Resumed   bool   `json:"resumed"`
	Position  string `json:"position"`
	Vector    string `json:"vector"`
	Duplicate bool   `json:"duplicate"`
}

type gap struct {
	Channel string `json:"channel"`
	From    string `json:"from"`
	To      string `json:"to"`
	Reason  string `json:"reason"`
}

// page is a page of history, or of a session that is polled.
type page struct {
	Position     string   `json:"position"`
	Publications []object `json:"publications"`
	Gap          bool     `json:"gap"`

	Poll     uint64   `json:"poll"`
	Messages []object `json:"messages"`
}

// payload is what a publication with an ID has in it: its publisher and its number.
func payload(id uint64) string { return witness.ID(id).String() }

func idOf(data string) (uint64, error) {
	publisher, n, is := strings.Cut(strings.TrimPrefix(data, "p"), "-")
	p, err1 := strconv.ParseUint(publisher, 10, 32)
	q, err2 := strconv.ParseUint(n, 10, 32)
	if !is || err1 != nil || err2 != nil {
		return 0, fmt.Errorf("the payload %.40q is nobody's", data)
	}
	return witness.NewID(uint32(p), uint32(q)), nil
}
