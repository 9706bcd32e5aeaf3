package transport

import (
	"errors"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/godwit-io/godwit/clientproto"
	"github.com/godwit-io/godwit/transport/dialect"
	"github.com/godwit-io/godwit/ws"
)

// TestSessionsInCBOR: the subprotocol decides, and two sessions in different encodings
// are in the same channel; the reply to a command that is sent again is in the encoding
// of the connection on which it is asked for.
func TestSessionsInCBOR(t *testing.T) {
	type object = map[clientproto.Key]any
	inVenues(t, func(t *testing.T, v *venue) {
		open := func() *speaker {
			t.Helper()
			o := &ws.DialOptions{Subprotocols: []string{dialect.SubprotocolCBOR}}
			if v.dial != nil {
				o.NetDial = v.dial
			}
			conn, _, err := ws.Dial(t.Context(), "ws"+strings.TrimPrefix(v.url, "http")+ConnectPath, o)
			if err != nil {
				t.Fatal(err)
			}
			s := &speaker{t: t, conn: conn}
			v.sessions = append(v.sessions, s)
			return s
		}
		s := open()
		if got := s.conn.Subprotocol(); got != dialect.SubprotocolCBOR {
			t.Fatalf("the subprotocol is %q", got)
		}
		say := func(commands ...object) {
			t.Helper()
			var message []byte
			for _, c := range commands {
				b, err := cbor.Marshal(c)
				if err != nil {
					t.Fatal(err)
				}
				message = append(message, b...)
			}
			if err := s.conn.Write(t.Context(), ws.MessageBinary, message); err != nil {
				t.Fatal(err)
			}
		}
		hear := func() (o object) {
			t.Helper()
			typ, data, err := s.conn.Read(t.Context())
			if err != nil || typ != ws.MessageBinary {
				t.Fatalf("%v %v", typ, err)
			}
			if err := cbor.Unmarshal(data, &o); err != nil {
				t.Fatalf("%x: %v", data, err)
			}
			return o
		}
		say(object{clientproto.KeyID: 1, clientproto.KeyConnect: object{}},
			object{clientproto.KeyID: 2, clientproto.KeySubscribe: object{clientproto.KeyChannel: "chat", clientproto.KeyDelta: "fossil"}})
		connected, _ := hear()[clientproto.KeyOK].(map[any]any)
		session, _ := connected[uint64(clientproto.KeySession)].(string)
		secret, _ := connected[uint64(clientproto.KeySecret)].(string)
		if session == "" || secret == "" {
			t.Fatalf("connected with %v", connected)
		}
		if o, _ := hear()[clientproto.KeyOK].(map[any]any); o[uint64(clientproto.KeyDelta)] != "fossil" {
			t.Fatalf("subscribed with %v", o)
		}

		other := openSession(t, v, nil)
		other.connect("")
		other.say(`{"id":2,"subscribe":{"channel":"chat"}}`)
		other.hear(`{"id":2,"ok"`)
		row := `{"rows": [` + strings.Repeat(`["name of something", 1.50],`, 10) + `1]}`
		other.say(`{"id":3,"publish":{"channel":"chat","data":` + row + `}}`)
		if tag, ok := hear()[clientproto.KeyData].(cbor.Tag); !ok || tag.Number != clientproto.TagJSON || string(tag.Content.([]byte)) != row {
			t.Errorf("the JSON came as %v", tag)
		}
		other.say(`{"id":4,"publish":{"channel":"chat","data":` + strings.TrimSuffix(row, "1]}") + `2]}}}`)
		if delta, ok := hear()[clientproto.KeyDelta].([]byte); !ok || len(delta) > 40 {
			t.Errorf("no delta came: %q", delta)
		}
		other.hear(`{"channel"`)
		other.hear(`{"channel"`)

		say(object{clientproto.KeyID: 5, clientproto.KeyPublish: object{clientproto.KeyChannel: "chat", clientproto.KeyData: []byte{0, 255}}})
		if got := other.hear(`{"channel"`); !strings.Contains(got, `"data_base64":"AP8="`) {
			t.Errorf("the bytes came as %s", got)
		}
		_ = s.conn.CloseNow()

		back := openSession(t, v, nil)
		if !back.connect(session + "." + secret) {
			t.Fatal("it was not resumed")
		}
		back.say(`{"id":5,"publish":{"channel":"chat","data_base64":"AP8="}}`)
		if got := back.hear(`{"id":5`); !strings.Contains(got, `"ok":{"position"`) {
			t.Errorf("the reply that is repeated is %s", got)
		}

		wrong := open()
		wrong.say(`{"id":1,"connect":{}}`)
		for {
			_, _, err := wrong.conn.Read(t.Context())
			if err == nil {
				continue // the end
			}
			var closed *ws.CloseError
			if !errors.As(err, &closed) || closed.Code != ws.StatusUnsupportedData {
				t.Errorf("text ended it with %v", err)
			}
			break
		}
	})
}
