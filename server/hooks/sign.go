package hooks

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix   = "whsec_"
	secretBytesMin = 24 // Standard Webhooks 1.0.0, "Signature scheme"
)

// signer signs requests as Standard Webhooks 1.0.0 says.
type signer struct{ keys [][]byte }

// newSigner makes one of secrets. Its errors do not quote them.
func newSigner(secrets [][]byte) (*signer, error) {
	if len(secrets) == 0 {
		return nil, &OptionError{"Secrets", "there is none; the application needs one to tell our requests from those of others: whsec_ and base64 of 24 random bytes or more"}
	}
	s := new(signer)
	for i, secret := range secrets {
		key := []byte(string(secret))
		if encoded, ok := strings.CutPrefix(string(secret), secretPrefix); ok {
			var err error
			if key, err = base64.StdEncoding.DecodeString(encoded); err != nil {
				return nil, &OptionError{fmt.Sprintf("Secrets[%d]", i), "what follows whsec_ is not base64; leave the prefix out if the text is the key itself"}
			}
		}
		if len(key) < secretBytesMin {
			return nil, &OptionError{fmt.Sprintf("Secrets[%d]", i), fmt.Sprintf("the key is %d bytes long; at least %d are needed, and they should be random", len(key), secretBytesMin)}
		}
		s.keys = append(s.keys, key)
	}
	return s, nil
}

// sign sets the three fields. now is the time of this attempt, and id the same in
// every attempt.
func (s *signer) sign(header http.Header, id string, now time.Time, body []byte) {
	timestamp := strconv.FormatInt(now.Unix(), 10)
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", timestamp)
	header.Set("Webhook-Signature", s.signature(id, timestamp, body))
}

func (s *signer) signature(id, timestamp string, body []byte) string {
	var b strings.Builder
	for i, key := range s.keys {
		if i > 0 {
			b.WriteByte(' ')
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		b.WriteString("v1,")
		b.WriteString(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return b.String()
}

// newID returns an id for a request, which has no dot in it.
func newID() string { return "msg_" + rand.Text() }
