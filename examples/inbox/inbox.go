// Package inbox is the back end of the example "notification inbox": it notifies people of
// what concerns them.
package inbox

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/godwit-io/godwit/client"
)

// Files are the page, and this file for whoever reads it there.
//
//go:embed index.html inbox.go screenshot.webp
var Files embed.FS

var person = regexp.MustCompile(`^[a-z]{1,20}$`)

// Run sends what people ask for, until ctx ends: "remind me in ten seconds".
func Run(ctx context.Context, c *client.Client) error {
	handler, err := c.Handle(ctx, "examples/inbox/remind", func(ctx context.Context, call client.Call) (client.Data, error) {
		var reminder struct {
			Person string `json:"person"`
			Text   string `json:"text"`
			After  int    `json:"after_sec"`
		}
		err := json.Unmarshal(call.Data.Bytes, &reminder)
		if err != nil || !person.MatchString(reminder.Person) || reminder.Text == "" || len(reminder.Text) > 200 || reminder.After < 0 || reminder.After > 20 {
			return client.Data{}, &client.Problem{Type: "https://example.com/problems/bad-reminder", Title: "Bad reminder",
				Detail: "a reminder has a person in small letters, a text of at most 200 bytes, and at most 20 seconds"}
		}
		select {
		case <-ctx.Done():
			return client.Data{}, context.Cause(ctx)
		case <-time.After(time.Duration(reminder.After) * time.Second):
		}
		notification := map[string]any{"text": reminder.Text, "kind": "reminder"}
		_, err = c.Publish(ctx, "examples/inbox/"+reminder.Person, client.JSON(notification), nil)
		return client.Data{}, err
	}, &client.HandleOptions{Concurrency: 100})
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-handler.Done():
		return fmt.Errorf("reminders: %w", handler.Err())
	}
}
