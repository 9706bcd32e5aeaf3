//go:build unix

package redisbroker

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/internal/redistest"
)

// sixCalls publishes as the brokers of others do: a hash has the epoch and a counter, each of
// the two keys gets its life again, and the publication goes into a stream and to
// subscribers.
const sixCalls = `
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then
  epoch = ARGV[5]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local offset = redis.call('HINCRBY', KEYS[1], 'offset', 1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[2], offset, 'd', ARGV[1])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[6], offset .. ':' .. epoch .. ':' .. ARGV[1])
return {offset, epoch}
`

// cpuOf is the time that a server has used of processors, and ownCPU that of this process.
func cpuOf(b *testing.B, s *redistest.Server) (seconds float64) {
	for _, field := range []string{"used_cpu_user", "used_cpu_sys"} {
		n, err := strconv.ParseFloat(s.Info(b, field), 64)
		if err != nil {
			b.Fatal(err)
		}
		seconds += n
	}
	return seconds
}

func ownCPU(b *testing.B) float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

// BenchmarkPublish says what a publication costs Redis (µs-redis) and this process
// (µs-self), of 128 bytes to a history of 100, beside sixCalls on the same server: how many callers
// wait for an answer each, in how many channels.
func BenchmarkPublish(b *testing.B) {
	redis := redistest.Start(b)
	broker := newBroker(b, redis.URL())
	start(b, broker).listen("nothing/is/published/here")
	payload := make([]byte, 128)
	keep := hub.Retention{Count: 100, Age: time.Hour}
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Address()}, DisableCache: true, AlwaysPipelining: true, PipelineMultiplex: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	others := rueidis.NewLuaScript(sixCalls)
	for _, load := range []struct{ callers, channels int }{{1, 1}, {64, 64}, {1000, 1000}, {1000, 1}} {
		for name, publish := range map[string]func(channel string) error{
			"godwit": func(channel string) error {
				r := make(result, 1)
				broker.Publish(hub.Message{Channel: channel, Data: payload}, keep, r, 1)
				return (<-r).Err
			},
			"six-calls": func(channel string) error {
				keys := []string{"meta:{0}" + channel, "stream:{0}" + channel}
				return others.Exec(context.Background(), client, keys, []string{rueidis.BinaryString(payload), "100", "2592000", "3600", "epoch", "c:" + channel}).Error()
			},
		} {
			b.Run(fmt.Sprintf("%s/callers=%d/channels=%d", name, load.callers, load.channels), func(b *testing.B) {
				names := make([]string, load.channels)
				for i := range names {
					names[i] = fmt.Sprint("room/", i)
					if err := publish(names[i]); err != nil {
						b.Fatal(err)
					}
				}
				server, own := cpuOf(b, redis), ownCPU(b)
				b.ResetTimer()
				var wg sync.WaitGroup
				for caller := range load.callers {
					wg.Go(func() {
						for i := caller; i < b.N; i += load.callers {
							if err := publish(names[i%load.channels]); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				n := float64(b.N)
				b.ReportMetric(1e6*(cpuOf(b, redis)-server)/n, "µs-redis/op")
				b.ReportMetric(1e6*(ownCPU(b)-own)/n, "µs-self/op")
			})
		}
	}
}
