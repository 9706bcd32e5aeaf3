package main

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"github.com/godwit-io/godwit/internal/legible"
)

const (
	// channelsTimeout is how long a list of channels may take that is only offered.
	channelsTimeout = 500 * time.Millisecond

	// channelsMax is how many are offered.
	channelsMax = "1000"
)

// listChannels asks a server for the channels that the holder of the token manages. It
// says nothing if it may not, or it takes too long: completion must not get in the way.
func listChannels(ctx context.Context, page *url.URL, token string) (names []string) {
	ctx, cancel := context.WithTimeout(ctx, channelsTimeout)
	defer cancel()
	u := page.JoinPath("/api/v1/channels")
	u.RawQuery = url.Values{"limit": {channelsMax}}.Encode()
	body, err := fetchReport(ctx, u, token)
	if err != nil {
		return nil
	}
	var list struct {
		Channels []struct {
			Channel string `json:"channel"`
		} `json:"channels"`
	}
	if json.Unmarshal(body, &list) != nil {
		return nil
	}
	for _, c := range list.Channels {
		if legible.Text(c.Channel) == c.Channel { // a name is printed, and the server may be anybody's
			names = append(names, c.Channel)
		}
	}
	return names
}
