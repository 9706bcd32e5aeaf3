package interop

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// The app of the servers that have appsConfig, and of one without configuration.
const (
	appID     = "app"
	appKey    = "app-key"
	appSecret = "app-secret"
)

// appsConfig has an app whose limits are those of a test that sends all it has at
// once. What it is told goes to the application.
func appsConfig(application string) string {
	hooks := ""
	if application != "" {
		hooks = fmt.Sprintf("\n    webhooks: [{url: %q}]", application+"/webhooks")
	}
	return `
apps:
  - id: ` + appID + `
    key: ` + appKey + `
    secret: ` + appSecret + `
    client_events: true
    limits: {client_events_per_second: 10000, publications_per_second: 1000000}
    watchlist: true` + hooks + `
`
}

// encryptionKey is what an application makes the secrets of its encrypted channels from.
const encryptionKey = "this is a key that has 32 bytes!"

// webhook is a request that the application got.
type webhook struct {
	header http.Header
	body   []byte
}

// application is behind the clients of Pusher and PieSocket, and vouches for them.
// The query of its endpoints names the user:
//
//	/pusher/auth?user=ann        channels
//	/pusher/user-auth?user=ann   who it is
//	/piesocket/auth?user=ann     tokens
//
// With wrong=1 it signs with another secret. What the server tells it is in hooks.
type application struct {
	*httptest.Server
	hooks *inbox[webhook]
}

func newApplication(t *testing.T) *application {
	b := &application{hooks: newInbox[webhook]()}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

func (b *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		w.Header().Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	}
	if r.Method == http.MethodOptions {
		return
	}
	if r.URL.Path == "/webhooks" {
		h := webhook{header: r.Header.Clone()}
		h.body, _ = io.ReadAll(r.Body)
		b.hooks.put(h)
		return
	}
	_ = r.ParseMultipartForm(1 << 16) // which reads the other kind of form, too
	user, secret := r.URL.Query().Get("user"), appSecret
	if r.URL.Query().Get("wrong") != "" {
		secret = "another secret"
	}
	answer := map[string]string{}
	socket, channel := r.Form.Get("socket_id"), r.Form.Get("channel_name")
	switch r.URL.Path {
	case "/pusher/auth":
		signed := socket + ":" + channel
		if strings.HasPrefix(channel, "presence-") {
			answer["channel_data"] = fmt.Sprintf(`{"user_id":%q,"user_info":{"name":%q}}`, user, strings.ToUpper(user))
			signed += ":" + answer["channel_data"]
		}
		if strings.HasPrefix(channel, "private-encrypted-") {
			shared := sha256.Sum256([]byte(channel + encryptionKey))
			answer["shared_secret"] = base64.StdEncoding.EncodeToString(shared[:])
		}
		answer["auth"] = appKey + ":" + hexMAC(secret, signed)
	case "/pusher/user-auth":
		answer["user_data"] = fmt.Sprintf(`{"id":%q,"watchlist":["bob"]}`, user)
		answer["auth"] = appKey + ":" + hexMAC(secret, socket+"::user::"+answer["user_data"])
	case "/piesocket/auth":
		answer["auth"] = signedJWT(secret, fmt.Sprintf(`{"sub":%q,"user":%q,"exp":%d}`, channel, user, time.Now().Add(time.Hour).Unix()))
	default:
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

func hexMAC(secret, text string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// signedJWT is an HS256 token with these claims.
func signedJWT(secret, claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}
