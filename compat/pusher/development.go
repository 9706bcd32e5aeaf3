package pusher

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/godwit-io/godwit/compat/pusher/protocol"
)

// formBytesMax is the longest form of a request for a signature.
const formBytesMax = 16 << 10

// signed is the answer of an application's endpoint.
type signed struct {
	Auth    string `json:"auth"`
	Channel string `json:"channel_data,omitempty"`
	User    string `json:"user_data,omitempty"`
}

// serveAuth signs whatever it is asked to, for the development app: it is the endpoint of
// an application that lets everybody in. A form may name the user with user_id and
// user_info; else the user is made of the socket ID.
func (s *Server) serveAuth(w http.ResponseWriter, r *http.Request, isUser bool) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Origin")
	if origin := r.Header.Get("Origin"); origin != "" {
		if !s.o.Origins.Allow(origin, r.Host, r.TLS != nil) {
			http.Error(w, "pages of the origin "+shortened(origin)+" may not ask for signatures", http.StatusForbidden)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Headers", "Content-Type, X-CSRF-Token, X-Requested-With")
	}
	switch r.Method {
	case http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "POST")
		w.WriteHeader(http.StatusNoContent)
		return
	case http.MethodPost:
	default:
		h.Set("Allow", "POST, OPTIONS")
		http.Error(w, "the method is POST there", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	if err := r.ParseForm(); err != nil {
		http.Error(w, "the body is no form of at most 16 KiB", http.StatusBadRequest)
		return
	}
	answer, err := s.sign(r, isUser)
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	h.Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// sign makes the answer to a form.
func (s *Server) sign(r *http.Request, isUser bool) (answer signed, err error) {
	a := s.o.Apps.ByID(s.o.Development())
	socket, channel := r.PostForm.Get("socket_id"), r.PostForm.Get("channel_name")
	switch {
	case a == nil || a.Disabled:
		return signed{}, errors.New("there is no development app")
	case !protocol.LooksLikeSocketID(socket):
		return signed{}, errors.New("the form needs a socket_id such as 123.456")
	}
	id := r.PostForm.Get("user_id")
	if id == "" {
		first, _, _ := strings.Cut(socket, ".")
		id = "visitor-" + first
	}
	who := map[string]any{"id": id}
	if !isUser {
		who = map[string]any{"user_id": id}
	}
	if info := r.PostForm.Get("user_info"); info != "" {
		if !json.Valid([]byte(info)) {
			return signed{}, errors.New("user_info is not JSON")
		}
		who["user_info"] = json.RawMessage(info)
	}
	data, err := json.Marshal(who)
	if err != nil {
		return signed{}, errors.New("who it is cannot be written as JSON")
	}
	if isUser {
		return signed{Auth: protocol.AuthUser(a.Key, string(a.Secret), socket, string(data)), User: string(data)}, nil
	}
	traits := protocol.TraitsOf(channel)
	switch {
	case !traits.Has(protocol.Private):
		return signed{}, errors.New("only private and presence channels are signed; channel_name says which")
	case traits.Has(protocol.Encrypted):
		return signed{}, errors.New("the secret of an encrypted channel is the application's: it needs an endpoint of its own")
	case !traits.Has(protocol.Presence):
		data = nil
	}
	return signed{Auth: protocol.AuthSubscription(a.Key, string(a.Secret), socket, channel, string(data)), Channel: string(data)}, nil
}
