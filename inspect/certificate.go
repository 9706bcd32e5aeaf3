package inspect

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// expirySoon is how long before its end a certificate should have been renewed.
// Those that live shorter are held to a third of their life.
const expirySoon = 14 * 24 * time.Hour

// describeCertificate is c for a report.
func describeCertificate(c *x509.Certificate) Certificate {
	d := Certificate{
		Subject: printable(c.Subject.String(), 2*quotedBytesMax), Issuer: printable(c.Issuer.String(), 2*quotedBytesMax),
		NotBefore: c.NotBefore.UTC(), NotAfter: c.NotAfter.UTC(), Names: certificateNames(c),
	}
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		d.Key = fmt.Sprintf("RSA %d", k.N.BitLen())
	case *ecdsa.PublicKey:
		d.Key = "ECDSA " + k.Curve.Params().Name
	case ed25519.PublicKey:
		d.Key = "Ed25519"
	default:
		d.Key = c.PublicKeyAlgorithm.String()
	}
	return d
}

// certificateNamesMax is how many names a report lists.
const certificateNamesMax = 20

func certificateNames(c *x509.Certificate) []string {
	names := []string{}
	for _, n := range c.DNSNames {
		names = append(names, printable(n, quotedBytesMax))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) > certificateNamesMax {
		more := len(names) - certificateNamesMax
		names = append(names[:certificateNamesMax:certificateNamesMax], fmt.Sprintf("and %d more", more))
	}
	return names
}

// distrust is a reason not to trust a certificate.
type distrust struct{ id, means, do string }

// judgeChain returns every reason not to trust the chain that a server sent for
// host: its dates, its names and its signer are looked at one by one, so that
// mending one does not bring the next to light.
func judgeChain(chain []*x509.Certificate, host string, roots *x509.CertPool, now time.Time) []distrust {
	var reasons []distrust
	leaf := chain[0]
	at := now // when the authorities are looked at
	if d, ok := judgeDates(leaf, "The certificate", now); ok {
		reasons = append(reasons, d)
		at = leaf.NotAfter.Add(-time.Second)
	}
	if err := leaf.VerifyHostname(host); err != nil {
		reasons = append(reasons, judgeName(leaf, host))
	}
	intermediates := x509.NewCertPool()
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: at})
	if err != nil {
		reasons = append(reasons, judgeAuthority(chain, err, at))
	}
	return reasons
}

func judgeDates(c *x509.Certificate, which string, now time.Time) (distrust, bool) {
	const date = "2006-01-02 15:04 MST"
	switch {
	case now.After(c.NotAfter):
		return distrust{"cert-expired",
			fmt.Sprintf("%s expired on %s, %s ago.", which, c.NotAfter.UTC().Format(date), showDays(now.Sub(c.NotAfter))),
			"Renew it, make the server load the new one, and find out why renewing by itself did not work; this machine's clock says " + now.UTC().Format(date) + "."}, true
	case now.Before(c.NotBefore):
		return distrust{"cert-not-yet-valid",
			fmt.Sprintf("%s is not valid before %s.", which, c.NotBefore.UTC().Format(date)),
			"Check the clock of this machine, which says " + now.UTC().Format(date) + ", and that of the machine that issued the certificate."}, true
	}
	return distrust{}, false
}

// judgeName says which names a certificate has instead of host.
func judgeName(leaf *x509.Certificate, host string) distrust {
	d := distrust{id: "cert-wrong-name"}
	names := certificateNames(leaf)
	what := "the name " + quote(host)
	if _, err := netip.ParseAddr(host); err == nil {
		what = "the address " + host
	}
	switch {
	case len(names) == 0 && leaf.Subject.CommonName != "":
		d.means = "The certificate names " + quote(leaf.Subject.CommonName) + " in its subject only, which clients no longer read."
		d.do = "Issue it again with " + what + " as a subject alternative name."
	case len(names) == 0:
		d.means = "The certificate names no host at all."
		d.do = "Issue it again with " + what + " as a subject alternative name."
	default:
		d.means = "The certificate is not for " + what + " but for " + strings.Join(names, ", ") + "."
		d.do = "Connect by one of its names, or issue it again with " + what + " added."
		if depth(names, host) {
			d.do += " A wildcard stands for one label only: *.example.com does not cover a.b.example.com, nor example.com."
		}
	}
	return d
}

// depth reports whether host misses a wildcard by the number of its labels.
func depth(names []string, host string) bool {
	for _, n := range names {
		if suffix, ok := strings.CutPrefix(n, "*"); ok && (strings.HasSuffix(host, suffix) || "."+host == suffix) {
			return true
		}
	}
	return false
}

// judgeAuthority explains why no chain leads to a trusted root.
func judgeAuthority(chain []*x509.Certificate, err error, now time.Time) distrust {
	leaf := chain[0]
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && invalid.Cert != leaf:
		if d, ok := judgeDates(invalid.Cert, "The intermediate certificate "+quote(invalid.Cert.Subject.String()), now); ok {
			d.do = "Install the intermediate certificates that the authority gives out now, and let the server send them."
			return d
		}
	case errors.As(err, &unknown) && selfSigned(leaf):
		return distrust{"cert-self-signed", "The certificate is signed by itself, so nothing vouches for it.",
			"Get one from an authority that clients trust, which costs nothing today; for a development machine, make a local authority and add it to the trust store of every client."}
	case errors.As(err, &unknown) && issuerMissing(chain) && len(chain[len(chain)-1].IssuingCertificateURL) > 0:
		last := chain[len(chain)-1]
		return distrust{"cert-incomplete-chain",
			"The server does not send the intermediate certificate " + quote(last.Issuer.String()) + ", without which clients find no way from its certificate to a root. Browsers may hide this, because they fetch or remember intermediates.",
			"Configure the server with the full chain: the file that certificate clients call fullchain.pem, its own certificate first."}
	case errors.As(err, &unknown):
		return distrust{"cert-unknown-authority",
			"The certificate is signed by " + quote(chain[len(chain)-1].Issuer.String()) + ", which this machine does not trust.",
			"If the authority is your own, add its root certificate to the trust store of this machine and of every client; otherwise use a public authority, and look for a proxy in between that replaces certificates."}
	}
	return distrust{"cert-untrusted", "The certificate cannot be trusted: " + explainCertificateError(err) + ".",
		"Issue it again by the rules of today: at least RSA 2048 or ECDSA P-256, SHA-256, and for server authentication."}
}

func explainCertificateError(err error) string {
	return printable(strings.TrimPrefix(err.Error(), "x509: "), 2*quotedBytesMax)
}

func selfSigned(c *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

// issuerMissing reports whether the chain ends with a certificate that is no root.
func issuerMissing(chain []*x509.Certificate) bool { return !selfSigned(chain[len(chain)-1]) }

// expiresSoon reports whether a certificate should have been renewed by now.
func expiresSoon(from, to, now time.Time) bool {
	return now.Before(to) && to.Sub(now) < min(expirySoon, to.Sub(from)/3)
}

// showDays is a duration in the unit that people count certificates in.
func showDays(d time.Duration) string {
	if d < 48*time.Hour {
		return count(int(d/time.Hour), "hour")
	}
	return count(int(d/(24*time.Hour)), "day")
}
