package clientjs

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"strings"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/godwit-io/godwit/internal/golden"
)

// sizes are what an import costs a page: bundled, minified and compressed by gzip, in bytes
// that must not be exceeded.
var sizes = []struct {
	name, entry string
	gzipMax     int
}{
	{"`@godwit/client/core`: without the live roster, one connection for each tab", "core", 9000},
	{"`@godwit/client`", "index", 12000},
	{"`@godwit/client/cbor`, beside one of them", "cbor", 1500},
	{"`@godwit/client/delta`, beside one of them", "delta", 850},
}

// TestSizes: the client stays small, and the document says how small.
func TestSizes(t *testing.T) {
	const path, begin, end = "../../docs/client-js.md", "<!-- sizes: made by go generate ./clients/js -->\n", "<!-- end of sizes -->"
	var table strings.Builder
	table.WriteString("| | minified | and gzip |\n|---|---|---|\n")
	for _, size := range sizes {
		made := bundle(t, "src/"+size.entry+".ts", func(o *api.BuildOptions) {
			o.MinifySyntax, o.MinifyWhitespace, o.MinifyIdentifiers = true, true, true
			o.Banner = nil
		})
		var packed bytes.Buffer
		w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(made); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d bytes, %d with gzip", size.entry, len(made), packed.Len())
		if packed.Len() > size.gzipMax {
			t.Errorf("%s has %d bytes with gzip, and may have %d", size.entry, packed.Len(), size.gzipMax)
		}
		fmt.Fprintf(&table, "| %s | %.1f kB | %.1f kB |\n", size.name, float64(len(made))/1000, float64(packed.Len())/1000)
	}
	golden.ComparePart(t, path, begin, end, table.String())
}
