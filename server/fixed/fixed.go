package fixed

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// gzipBytesMin is the least content for which it pays to be compressed: below it the
// answer fits into one packet as it is.
const gzipBytesMin = 1024

// File is content with its type and its ETag. It is safe for concurrent use.
type File struct {
	content     []byte
	contentType string
	etag        string
	compressed  func() []byte // nil where nothing would be gained
}

// New makes a File of content, which it keeps, and its media type.
func New(contentType string, content []byte) *File {
	sum := sha256.Sum256(content)
	f := &File{content: content, contentType: contentType, etag: base64.RawURLEncoding.EncodeToString(sum[:12])}
	f.compressed = sync.OnceValue(func() []byte {
		if len(content) < gzipBytesMin {
			return nil
		}
		var b bytes.Buffer
		z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
		_, _ = z.Write(content)                               // to memory
		_ = z.Close()
		if b.Len() >= len(content) {
			return nil
		}
		return bytes.Clone(b.Bytes())
	})
	return f
}

// Content is what the File is made of. The caller does not change it.
func (f *File) Content() []byte { return f.content }

// ServeHTTP answers a GET or HEAD with the content, compressed with gzip for clients that
// take it: that is done once, when the first one asks. What to do with other methods is the
// caller's to decide before, and so are further header fields.
//
// The answer has to be revalidated before it is used again (no-cache), so a page of a new
// version of the program never meets a script of an old one.
func (f *File) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "no-cache")
	content, etag := f.content, f.etag
	if len(content) >= gzipBytesMin {
		h.Add("Vary", "Accept-Encoding")
	}
	if takesGzip(r.Header) {
		if smaller := f.compressed(); smaller != nil {
			content, etag = smaller, etag+"-gzip" // RFC 9110 §8.8.3.3: other bytes, another tag
			h.Set("Content-Encoding", "gzip")
			h.Set("Content-Length", strconv.Itoa(len(smaller))) // which ServeContent leaves out with an encoding
		}
	}
	h.Set("ETag", `"`+etag+`"`)
	// The ETag says it all: a time would be that of the build, and lie.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// SetPolicy sets what a browser is told about a page that only pages of the same origin
// need, and what it loads: policy is the Content-Security-Policy.
func SetPolicy(h http.Header, policy string) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// takesGzip reports whether a client says that it reads gzip (RFC 9110 §12.5.3). What it
// says of "*" and how it weighs encodings against each other makes no difference here.
func takesGzip(h http.Header) bool {
	for _, field := range h.Values("Accept-Encoding") {
		for element := range strings.SplitSeq(field, ",") {
			coding, weight, _ := strings.Cut(element, ";")
			if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				continue
			}
			name, value, isWeighed := strings.Cut(strings.TrimSpace(weight), "=")
			if !isWeighed || !strings.EqualFold(strings.TrimSpace(name), "q") {
				return true
			}
			q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return err == nil && q > 0
		}
	}
	return false
}
