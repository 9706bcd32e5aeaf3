package hooks

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// The vector is that of the libraries of Standard Webhooks.
func TestSignature(t *testing.T) {
	for _, secrets := range []struct {
		secrets []string
		want    string
	}{
		{[]string{testSecret}, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
		{[]string{testSecret, strings.Repeat("k", 24)}, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,DE9cPtwFiYaqgKF1H8bmup+RWmkVm303m9TTAvSf+zk="},
	} {
		var keys [][]byte
		for _, s := range secrets.secrets {
			keys = append(keys, []byte(s))
		}
		s, err := newSigner(keys)
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{}
		s.sign(header, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
		if got := header.Get("Webhook-Signature"); got != secrets.want || header.Get("Webhook-Timestamp") != "1614265330" || header.Get("Webhook-Id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" {
			t.Errorf("got %q, want %q; %v", got, secrets.want, header)
		}
	}
}

// verifySignature checks a request by the rules, and not by calling the signer.
func verifySignature(t *testing.T, r *seen, secret string) {
	t.Helper()
	if err := verifyPlainly(secret, r.header, r.body); err != nil {
		t.Error(err)
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	for secret, want := range map[string]string{
		"whsec_a*b-secret-secret-secret-secret": "is not base64",
		"whsec_c2VjcmV0":                        "the key is 6 bytes long; at least 24 are needed",
		"a-secret-of-20-bytes":                  "the key is 20 bytes long",
		"":                                      "the key is 0 bytes long",
	} {
		_, err := New(&Options{Connect: &Question{URL: testURL}, Secrets: [][]byte{[]byte(testSecret), []byte(secret)}})
		var wrong *OptionError
		if !errors.As(err, &wrong) || wrong.Option != "Secrets[1]" || !strings.Contains(err.Error(), want) || secret != "" && strings.Contains(err.Error(), secret) {
			t.Errorf("%q: %v, want %q", secret, err, want)
		}
	}
	if _, err := New(&Options{Events: &Events{URL: testURL}}); err == nil || !strings.Contains(err.Error(), "option Secrets: there is none") {
		t.Errorf("without secrets: %v", err)
	}
}
