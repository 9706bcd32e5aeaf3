package frames

import (
	"bytes"
	"strings"
)

// htmlFileBytes is how long the head of the htmlfile page is at least: shorter ones were
// not shown by the browser that it is for.
const htmlFileBytes = 1025

const htmlFileHead = `<!doctype html>
<html><head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
</head><body><h2>Don't panic!</h2>
  <script>
    document.domain = document.domain;
    var c = parent.%s;
    c.start();
    function p(d) {c.message(d);};
    window.onload = function() {c.stop();};
  </script>
`

// appendHTMLFile appends the head of the htmlfile page.
func appendHTMLFile(dst []byte, callback string) []byte {
	before, after, _ := strings.Cut(htmlFileHead, "%s")
	start := len(dst)
	dst = append(dst, before...)
	dst = append(dst, callback...)
	dst = append(dst, after...)
	if missing := htmlFileBytes - (len(dst) - start); missing > 0 {
		dst = append(dst, bytes.Repeat([]byte(" "), missing)...)
	}
	return append(dst, "\r\n"...)
}

const iframePage = `<!DOCTYPE html>
<html>
<head>
  <meta http-equiv="X-UA-Compatible" content="IE=edge" />
  <meta http-equiv="Content-Type" content="text/html; charset=UTF-8" />
  <script src="%s"></script>
  <script>
    document.domain = document.domain;
    SockJS.bootstrap_iframe();
  </script>
</head>
<body>
  <h2>Don't panic!</h2>
  <p>This is a SockJS hidden iframe. It's used for cross domain magic.</p>
</body>
</html>`

// AppendIframe appends the iframe page, which loads the client's script from a URL. The
// URL comes from the program's options, and has none of "<>.
func AppendIframe(dst []byte, scriptURL string) []byte {
	before, after, _ := strings.Cut(iframePage, "%s")
	dst = append(dst, before...)
	dst = append(dst, strings.ReplaceAll(scriptURL, "&", "&amp;")...)
	return append(dst, after...)
}
