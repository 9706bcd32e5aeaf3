package interop

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/godwit-io/godwit/internal/chromiumtest"
)

// chromiumCases are run in a page of the server's origin. The script is the body
// of an async function with log and watch of testdata/chromium.js. ended is what
// Godwit saw of the end, as code and code sent, of the connection that has the
// case's name as its ?name, where the case has one.
var chromiumCases = []struct {
	name   string
	script string
	want   []string
	ended  string
}{
	{
		"readyState", `const s = watch("/echo?name=readyState")
		log(s.readyState)
		await next(s, "open"); log(s.readyState)
		s.close(); log(s.readyState)
		await next(s, "close"); log(s.readyState)`,
		[]string{"0", "open", "1", "2", `close 1005 "" clean`, "3"}, "1005 1005",
	},
	{
		"bufferedAmount", `const s = await open("/echo")
		const answer = next(s, "message")
		log(s.bufferedAmount)
		s.send("x".repeat(1 << 20)); log(s.bufferedAmount)
		await answer
		while (s.bufferedAmount > 0) await later()
		log(s.bufferedAmount)
		s.close()`,
		[]string{"0", "1048576", "0"}, "",
	},
	{
		"bufferedAmount counts bytes and grows after the end", `const s = await open("/echo")
		s.close()
		await next(s, "close")
		s.send("ä🐦"); log(s.bufferedAmount)`,
		[]string{"6"}, "",
	},
	{
		"binaryType", `const s = await open("/echo")
		log(s.binaryType)
		let got = await echo(s, new Uint8Array([1, 2, 3])); log(got.constructor.name, got.size, await bytes(got))
		s.binaryType = "arraybuffer"
		got = await echo(s, new Uint8Array([4, 5])); log(got.constructor.name, got.byteLength, await bytes(got))
		s.binaryType = "blob"
		got = await echo(s, new Uint8Array([])); log(got.constructor.name, got.size)
		log(typeof await echo(s, "text"))
		s.close()`,
		[]string{"blob", "Blob 3 1,2,3", "ArrayBuffer 2 4,5", "Blob 0", "string"}, "",
	},
	{
		"what can be sent", `const s = await open("/echo")
		s.binaryType = "arraybuffer"
		const data = new Uint8Array([9, 1, 2, 3, 9]).buffer
		for (const value of [data, new Uint8Array(data, 1, 3), new Uint16Array([258, 772]), new DataView(data, 2), new Blob(["go", "dwit"])])
			log(value.constructor.name, await bytes(await echo(s, value)))
		log(await echo(s, "text"), JSON.stringify(await echo(s, "")))
		s.close()`,
		[]string{"ArrayBuffer 9,1,2,3,9", "Uint8Array 1,2,3", "Uint16Array 2,1,4,3", "DataView 2,3,9", "Blob 103,111,100,119,105,116", `text ""`}, "",
	},
	{
		"text", `const s = await open("/echo")
		for (const text of ["\u0000", "\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", "\ufeffmark", "斑尾塍鷸 🐦"])
			log(await echo(s, text) === text)
		log(await echo(s, "a\ud800b") === "a\ufffdb") // a lone surrogate is replaced before it is sent
		s.close()`,
		[]string{"true", "true", "true", "true", "true"}, "",
	},
	{
		"1 MiB", `for (const path of ["/echo", "/echo?compress"]) {
			const s = await open(path)
			const text = "Godwit 🐦 斑".repeat(1 << 16)
			log(await echo(s, text.slice(0, 700000)) === text.slice(0, 700000))
			const noise = new Uint8Array(1 << 20)
			for (let i = 0; i < noise.length; i += 65536) crypto.getRandomValues(noise.subarray(i, i + 65536))
			const got = new Uint8Array(await (await echo(s, noise)).arrayBuffer())
			log(got.length, got.every((b, i) => b === noise[i]))
			s.close()
		}`,
		[]string{"true", "1048576 true", "true", "1048576 true"}, "",
	},
	{
		"messages in a row", `for (const path of ["/echo", "/echo?compress"]) {
			const s = await open(path)
			const got = []
			const done = new Promise((resolve) => { s.onmessage = (e) => { got.push(e.data); if (got.length === 3000) resolve() } })
			for (let i = 0; i < 3000; i++) s.send("message " + i + " " + "ab".repeat(i % 200))
			await done
			log(got.every((text, i) => text === "message " + i + " " + "ab".repeat(i % 200)))
			s.close()
		}`,
		[]string{"true", "true"}, "",
	},
	{
		"fragments and a ping between", `for (const path of ["/fragments", "/fragments?compress"]) {
			const s = new WebSocket(url(path))
			log((await next(s, "message")).data === "鷸".repeat(7001))
			log((await next(s, "message")).data)
		}`,
		[]string{"true", "the pong came", "true", "the pong came"}, "",
	},
	{
		"extensions", `for (const path of ["/echo", "/echo?compress", "/echo?compress&smallest"]) {
			const s = await open(path)
			log(s.extensions, await echo(s, "hello hello"), await echo(s, "hello hello"))
			s.close()
		}`,
		[]string{
			" hello hello hello hello",
			"permessage-deflate hello hello hello hello",
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=9 hello hello hello hello",
		}, "",
	},
	{
		"protocol", `for (const offered of [[], "b", ["b"], ["x", "b", "a"]]) {
			const s = await open("/echo", offered)
			log(JSON.stringify(s.protocol))
			s.close()
		}`,
		[]string{`""`, `"b"`, `"b"`, `"a"`}, "",
	},
	{
		"a protocol that the server does not speak", `await next(watch("/echo", ["x"]), "close")`,
		[]string{"error", `close 1006 "" unclean`}, "",
	},
	{
		"protocols that are none", `for (const bad of [["a", "a"], [""], ["a b"], ["ä"]])
			try { watch("/echo", bad); log("opened") } catch (e) { log(e.name) }`,
		[]string{"SyntaxError", "SyntaxError", "SyntaxError", "SyntaxError"}, "",
	},
	{
		"close(code, reason)", `for (const [code, reason] of [[1000], [1000, "bye"], [3000, "registered"], [4999, "ä".repeat(61) + "."]]) {
			const s = await open("/echo")
			s.close(code, reason)
			const e = await next(s, "close")
			log(e.code, JSON.stringify(e.reason), e.wasClean)
		}`, // the reason is that of the answer, and Godwit repeats the code alone
		[]string{`1000 "" true`, `1000 "" true`, `3000 "" true`, `4999 "" true`}, "",
	},
	{
		"close after the last message", `const s = await open("/echo?name=close after the last message")
		s.send("one"); s.send("two")
		s.close(4321, "done")
		await next(s, "close")`,
		nil, "4321 4321",
	},
	{
		"close with what may not be sent", `const s = await open("/echo")
		for (const args of [[1001], [999], [5000], [1000, "x".repeat(124)]])
			try { s.close(...args); log("closed") } catch (e) { log(e.name) }
		log(await echo(s, "still open"))
		s.close()`,
		[]string{"InvalidAccessError", "InvalidAccessError", "InvalidAccessError", "SyntaxError", "still open"}, "",
	},
	{
		"close before it is open", `const s = watch("/echo")
		s.close(); log(s.readyState)
		await next(s, "close")`,
		[]string{"2", "error", `close 1006 "" unclean`}, "",
	},
	{
		"close by the server", `for (const query of ["code=1000", "code=1000&reason=bye", "code=1001&reason=going+away", "code=1011", "code=1012", "code=1013", "code=3000", "code=4410&reason=position+lost", "code=1005"])
			await next(watch("/close?" + query), "close")`,
		[]string{
			"open", `close 1000 "" clean`, "open", `close 1000 "bye" clean`, "open", `close 1001 "going away" clean`,
			"open", `close 1011 "" clean`, "open", `close 1012 "" clean`, "open", `close 1013 "" clean`,
			"open", `close 3000 "" clean`, "open", `close 4410 "position lost" clean`, "open", `close 1005 "" clean`,
		}, "",
	},
	{
		"an abrupt end", `await next(watch("/drop"), "close")`,
		[]string{"open", `close 1006 "" unclean`}, "", // to Chromium an end is no error
	},
	{
		"a refused handshake", `await next(watch("/refuse"), "close")`,
		[]string{"error", `close 1006 "" unclean`}, "",
	},
	{
		"a page of another origin", `const elsewhere = location.host.replace("127.0.0.1", "localhost")
		await next(watch("/echo", [], elsewhere), "close")`,
		[]string{"error", `close 1006 "" unclean`}, "",
	},
	{
		"a message longer than the server reads", `const s = await open("/echo?name=a message longer than the server reads")
		s.send(new Uint8Array((1 << 20) + 1))
		const e = await next(s, "close")
		log(e.code, e.reason !== "", e.wasClean)`,
		[]string{"1009 true true"}, "1006 1009",
	},
	{
		"a fault of the server", `for (const frame of ["c1017a", "8301", "81017a8181000000007a", "8101ff", "880103", "5101"])
			await next(watch("/raw?frame=" + frame), "close")`,
		slices.Repeat([]string{"open", "error", `close 1006 "" unclean`}, 6), "",
	},
	{
		"a fault of the server as it sees it", `await next(watch("/raw?frame=8101ff&name=a fault of the server as it sees it"), "close")`,
		[]string{"open", "error", `close 1006 "" unclean`}, "1002 1002", // whatever the fault
	},
	{
		"cookies", `document.cookie = "flavour=oat"
		const s = new WebSocket(url("/cookies"))
		log((await next(s, "message")).data)
		await next(s, "close")
		log(document.cookie.split("; ").sort().join("; "))`,
		[]string{"flavour=oat", "flavour=oat; from=handshake"}, "",
	},
	{
		"a page that goes away", `const frame = document.createElement("iframe")
		document.body.append(frame)
		const s = new frame.contentWindow.WebSocket(url("/echo?name=a page that goes away"))
		await next(s, "open")
		frame.remove()`,
		nil, "1001 1001",
	},
}

func TestChromium(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	site := newChromiumSite(t)
	page := openPage(t, chromium, site.URL)
	for _, c := range chromiumCases {
		t.Run(c.name, func(t *testing.T) {
			got := page.run(t, c.script)
			if !slices.Equal(got, c.want) {
				t.Errorf("logged\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(c.want, "\n  "))
			}
			if c.ended != "" {
				if ended, ok := site.ended(c.name).next(); !ok || ended != c.ended {
					t.Errorf("the server saw the end as %q, want %q", ended, c.ended)
				}
			}
		})
	}
}

// A page that has to offer a subprotocol finds one that a channel speaks.
func TestChromiumChannel(t *testing.T) {
	chromium := chromiumtest.Shared(t)
	page := openPage(t, chromium, "http://"+serveGodwit(t, 15*time.Second, "--demo=false")+"/")
	got := page.run(t, `
		for (const [query, offered] of [["", []], ["", "json"], ["", ["text"]], ["&json=1", []]]) {
			const s = await open("/channels/chat?envelope=1" + query, offered)
			const { data } = JSON.parse(await echo(s, '{"a":1}'))
			log(JSON.stringify(s.protocol), JSON.stringify(data))
			s.close()
		}
		await next(watch("/channels/chat", "other"), "close")
		const s = watch("/channels/chat", "json")
		await next(s, "open")
		s.send("hello")
		await next(s, "close")`)
	want := []string{
		`"" "{\"a\":1}"`, `"json" {"a":1}`, `"text" "{\"a\":1}"`, `"" {"a":1}`,
		"error", `close 1006 "" unclean`,
		"open", `close 1007 "not JSON: on this socket every text message is one valid JSON value" clean`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("logged\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}
