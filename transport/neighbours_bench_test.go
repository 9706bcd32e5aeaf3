package transport

import (
	"slices"
	"testing"
	"time"
)

// slowly is how long the broker takes for everything in the slow channel, and turnOver how often
// somebody leaves that channel, comes and publishes there.
const (
	slowly   = 700 * time.Millisecond
	turnOver = 2 * time.Millisecond
)

// BenchmarkNeighbours has round trips of a client of one channel while others come, have a history
// replayed, publish and leave in another, for which the broker is as quick as for the first, and then
// takes 700 ms for each of these. The two take turns, so that both see the same machine. The 99th
// percentiles and their ratio say whether anybody else notices, over sockets:
//
//	go test -run '^$' -bench Neighbours -benchtime 10000x ./transport
func BenchmarkNeighbours(b *testing.B) {
	for i := range carriers {
		carrier := &carriers[i]
		if carrier.isVirtual {
			continue
		}
		for _, edge := range edges {
			if carrier.cannot(&script{acts: []act{{verb: verbOpens, kind: edge}}}) != "" {
				continue
			}
			b.Run(carrier.name+"/"+edge, func(b *testing.B) {
				p := newPlayer(b, &script{}, false)
				stage := &carriedStage{t: b, carrier: carrier, venue: carrier.serve(b, p.hub, Options{Logger: quiet()})}
				p.stage = stage
				defer stage.venue.close()
				n := &neighbours{player: p, stage: stage, edge: edge, steady: SSE}
				if carrier.name != "HTTP2" {
					n.steady = WebSocket
				}
				n.measure(b)
				go func() { _ = p.hub.Shutdown(b.Context()) }()
				for _, c := range stage.clients {
					<-c.done
				}
				_ = p.hub.Close()
			})
		}
	}
}

// measure reports the 99th percentiles of b.N round trips of each kind.
func (n *neighbours) measure(b *testing.B) {
	trip := n.quick()
	trip()
	publisher := n.open(n.steady, "/channels/slow")
	n.hears(publisher, "is open")
	users := n.crowd("/channels/slow?last=5")
	var times [2][]float64 // with a broker that is quick, and one that is slow
	for done := 0; done < b.N; {
		for kind := range times {
			n.broker.recover()
			if kind == 1 {
				n.broker.make(trouble{channel: "slow", delay: slowly})
			}
			last := time.Now()
			for range min(phase, b.N-done) {
				began := time.Now()
				trip()
				now := time.Now()
				times[kind] = append(times[kind], float64(now.Sub(began)))
				if now.Sub(last) < turnOver {
					continue
				}
				last = now
				users[0].leave()
				users = append(users[1:], n.open(n.edge, "/channels/slow?last=5"))
				if n.steady == WebSocket {
					publisher.say(false, "slowly")
				}
				publisher.hear(-1)
			}
		}
		<-time.After(slowly) // what is under way does not belong to the next phase
		done += phase
	}
	var p99 [2]float64
	for kind, t := range times {
		slices.Sort(t)
		p99[kind] = t[len(t)*99/100]
	}
	b.ReportMetric(p99[0], "quick-p99-ns")
	b.ReportMetric(p99[1], "slow-p99-ns")
	b.ReportMetric(p99[1]/p99[0], "ratio")
}

// phase is how many round trips one kind has before it is the other's turn.
const phase = 1000
