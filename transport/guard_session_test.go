package transport

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/access"
	"github.com/godwit-io/godwit/ws"
)

// sessionWays are the commands of a session over each of its carriers.
func sessionWays() (list []way) {
	for _, carrier := range []struct{ name, dialect, accept string }{
		{"WebSocket", "NewSession", ""},
		{"events", "NewSessionEvents", "text/event-stream"},
		{"lines", "NewSessionLines", "application/x-ndjson"},
		{"poll", "NewSessionPoll", "application/json"},
		{"lines and POST", "NewDeliver", "deliver"},
	} {
		for _, command := range []struct {
			action access.Action
			text   string
		}{
			{access.Subscribe, `{"id":2,"subscribe":{"channel":"%s"}}`},
			{access.Publish, `{"id":2,"publish":{"channel":"%s","data":1}}`},
			{access.History, `{"id":2,"history":{"channel":"%s"}}`},
			{access.Presence, `{"id":2,"presence":{"channel":"%s"}}`},
			{access.Call, `{"id":2,"rpc":{"method":"%s","timeout_ms":1}}`},
			{access.Answer, `{"id":2,"register":{"method":"%s"}}`},
		} {
			list = append(list, way{
				"session over " + carrier.name + ": " + command.action.String(), carrier.dialect, command.action,
				func(t *testing.T, v *venue, channel string, header http.Header) string {
					return statusOfReply(t, converse(t, v, carrier.accept, fmt.Sprintf(command.text, channel), header))
				},
			})
		}
	}
	return list
}

const connectCommand = `{"id":1,"connect":{}}` + "\n"

// converse begins a session, sends a command in it, and returns the reply.
func converse(t *testing.T, v *venue, accept, command string, header http.Header) string {
	t.Helper()
	if accept == "" {
		conn, _, err := dialAs(t, v, ConnectPath, header)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if err := conn.Write(t.Context(), ws.MessageText, []byte(connectCommand+command)); err != nil {
			t.Fatal(err)
		}
		for {
			_, data, err := conn.Read(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(data), `{"id":2,`) {
				return string(data)
			}
		}
	}
	isDelivered := accept == "deliver"
	body := connectCommand
	if isDelivered {
		accept = "application/x-ndjson"
	} else {
		body += command
	}
	header = header.Clone()
	header.Set("Accept", accept)
	header.Set("Prefer", "wait=10")
	response := request(t, v, "POST", ConnectPath, body, header)
	defer response.Body.Close()
	if accept == "application/json" {
		return poll(t, v, response)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		line := strings.TrimPrefix(lines.Text(), "data: ")
		switch {
		case strings.HasPrefix(line, `{"id":2,`):
			return line
		case isDelivered && strings.HasPrefix(line, `{"id":1,"ok"`):
			up := request(t, v, "POST", ConnectPath+"?session="+sessionOf(t, line), command, http.Header{})
			if up.Body.Close(); up.StatusCode != 202 {
				t.Errorf("commands by POST were answered with %d", up.StatusCode)
			}
		}
	}
	t.Fatalf("the stream ended without a reply: %v", lines.Err())
	return ""
}

// poll polls until the reply to command 2 comes.
func poll(t *testing.T, v *venue, response *http.Response) string {
	t.Helper()
	session := ""
	for {
		var page struct {
			Poll     int
			Messages []json.RawMessage
		}
		content, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if err := json.Unmarshal(content, &page); err != nil {
			t.Fatalf("%v in %s", err, content)
		}
		for _, m := range page.Messages {
			switch {
			case strings.HasPrefix(string(m), `{"id":1,"ok"`):
				session = sessionOf(t, string(m))
			case strings.HasPrefix(string(m), `{"id":2,`):
				return string(m)
			}
		}
		response = request(t, v, "GET", fmt.Sprintf("%s?session=%s&ack=%d", ConnectPath, session, page.Poll), "", http.Header{"Prefer": {"wait=10"}})
	}
}

func request(t *testing.T, v *venue, method, path, body string, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	response, err := v.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// sessionOf is what names a session in requests, from the reply to connect.
func sessionOf(t *testing.T, reply string) string {
	t.Helper()
	var r struct {
		OK struct{ Session, Secret string }
	}
	if err := json.Unmarshal([]byte(reply), &r); err != nil || r.OK.Session == "" {
		t.Fatalf("connect was answered with %s", reply)
	}
	return r.OK.Session + "." + r.OK.Secret
}

// statusOfReply is "ok", or the status of the problem.
func statusOfReply(t *testing.T, reply string) string {
	t.Helper()
	switch {
	case strings.Contains(reply, `"ok":`),
		strings.Contains(reply, "/problems/unknown-method"), strings.Contains(reply, "/problems/call-timeout"): // it may be called
		return "ok"
	case strings.Contains(reply, `/problems/forbidden","title":"Not allowed","detail":"this needs the grant`):
		return "403"
	case strings.Contains(reply, `/problems/unauthorized"`):
		return "401"
	}
	t.Errorf("the reply is %s", reply)
	return "?"
}
