package main

import (
	"github.com/spf13/cobra"

	"github.com/godwit-io/godwit/loadgen"
)

func newBenchSSE() *cobra.Command {
	b := &bench{kind: loadgen.KindSSE, play: loadgen.SSE}
	cmd := b.command("sse", "Measure how what is published reaches many event streams", `SSE opens streams of Server-Sent Events and publishes, and measures how long each
publication takes to each stream, from when it was due. On its own it speaks to a
channel of Godwit's, where a GET is a stream and a POST publishes.

Other servers are spoken to with --publish-url, --publish-method, --publish-header
and --publish-body, with {payload} where the payload goes. Streams look for it
anywhere in the data of an event; other events do not matter.`, `  godwit bench sse http://127.0.0.1:8000/channels/bench
  godwit bench sse http://127.0.0.1:8000/channels/bench --connections 5000 --rate 50
  godwit bench sse http://127.0.0.1:8000/channels/bench --rate 50 --find connections --p99 20ms
  godwit bench sse http://127.0.0.1/sub/bench --publish-url http://127.0.0.1/pub/bench
  godwit bench sse 'http://127.0.0.1:3000/.well-known/mercure?topic=bench' --publish-body 'topic=bench&data={payload}' \
      --publish-header 'Content-Type: application/x-www-form-urlencoded' --publish-header "Authorization: Bearer $TOKEN"`)
	b.connectionFlags(cmd, loadgen.DefaultConnections, "`N` streams")
	f := cmd.Flags()
	b.loadFlags(cmd, "publications on their way, without --rate", "publications a second")
	f.IntVar(&b.options.Publishing.Publishers, "publishers", loadgen.DefaultPublishers, "`N` connections to publish on, in turn, one request at a time on each")
	f.StringVar(&b.options.Publishing.URL, "publish-url", "", "`URL` to publish to (default that of the streams, without its query)")
	b.publishFlags(cmd, "publish-")
	b.findFlags(cmd, "connections at a --rate, or rate")
	b.timeFlags(cmd)
	b.observerFlags(cmd)
	b.requestFlags(cmd)
	b.reportFlags(cmd)
	return cmd
}

func newBenchPublish() *cobra.Command {
	b := &bench{kind: loadgen.KindPublish, play: loadgen.Publish}
	cmd := b.command("publish", "Measure how fast a server takes POSTs", `Publish sends POSTs on connections that are kept, and measures how long each takes
to be answered. Without --rate each connection has one request in flight. With it
requests are due at fixed times, and one that is due when all connections are
taken waits, which counts. An answer other than 2xx is a failure.`, `  godwit bench publish http://127.0.0.1:8000/channels/bench
  godwit bench publish http://127.0.0.1:8000/channels/bench --size 4096 --rate 5000
  godwit bench publish http://127.0.0.1:8000/channels/bench --find rate --p99 5ms
  godwit bench publish https://example.com/hook --method PUT -H 'Content-Type: application/json' --body '{"text":"{payload}"}'`)
	b.connectionFlags(cmd, loadgen.DefaultConnections, "`N` connections")
	b.loadFlags(cmd, "", "requests a second, on all connections together")
	b.publishFlags(cmd, "")
	b.findFlags(cmd, "rate, or connections at a --rate")
	b.timeFlags(cmd)
	b.observerFlags(cmd)
	b.requestFlags(cmd)
	b.reportFlags(cmd)
	return cmd
}

// publishFlags say what a request to publish is like.
func (b *bench) publishFlags(cmd *cobra.Command, prefix string) {
	f, p := cmd.Flags(), &b.options.Publishing
	f.StringVar(&p.Method, prefix+"method", "POST", "`METHOD` of a request that publishes")
	f.StringVar(&p.Body, prefix+"body", "", "`TEXT` to send, with {payload} in it (default the payload alone)")
	if prefix != "" {
		f.StringArrayVar(&b.publishHeaders, prefix+"header", nil, "`'NAME: VALUE'` to send with these requests only; repeatable (default Content-Type: text/plain; charset=utf-8)")
	}
}
