package redisbroker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// backend is Redis, once it was reached.
type backend struct {
	client    rueidis.Client
	isCluster bool
	verb      string // what publishes: PUBLISH, or in a cluster SPUBLISH
	parts     []*partition

	mu        sync.Mutex  // guards what follows; taken before that of a listener
	owners    []*listener // of each partition
	listeners map[string]*listener
}

func (be *backend) partition(name string) *partition {
	return be.parts[hashOf(name)%uint32(len(be.parts))]
}

// want tells what listens for a partition whether a topic is wanted, see listener.want.
func (be *backend) want(part *partition, name string, wanted bool, with func(*topic), done chan struct{}) {
	be.mu.Lock()
	defer be.mu.Unlock()
	be.owners[part.index].want(part, name, wanted, with, done)
}

// tell publishes a notice, which is no publication.
func (be *backend) tell(ctx context.Context, topic, data string) error {
	if be.isCluster {
		return be.client.Do(ctx, be.client.B().Spublish().Channel(topic).Message(data).Build()).Error()
	}
	return be.client.Do(ctx, be.client.B().Publish().Channel(topic).Message(data).Build()).Error()
}

// all are the listeners.
func (be *backend) all() []*listener {
	be.mu.Lock()
	defer be.mu.Unlock()
	list := make([]*listener, 0, len(be.listeners))
	for _, l := range be.listeners {
		list = append(list, l)
	}
	return list
}

func (be *backend) close() { be.client.Close() }

// call calls a script by its hash, or by its text, that may be called twice. Calls at the same time
// share a connection.
func (be *backend) call(ctx context.Context, s script, byText bool, keys, args []string) ([]rueidis.RedisMessage, error) {
	for attempts := 0; ; attempts++ {
		answer, err := scriptAnswer(be.client.Do(ctx, be.command(s, byText, keys, args).ToPipe()))
		if !errors.Is(err, errStale) || attempts == 2 {
			return answer, err
		}
	}
}

// scriptAnswer is what all scripts but oneScript return.
func scriptAnswer(r rueidis.RedisResult) ([]rueidis.RedisMessage, error) {
	answer, err := r.ToArray()
	if err == nil && len(answer) == 0 {
		err = errAnswer
	}
	return answer, err
}

func (be *backend) command(s script, byText bool, keys, args []string) rueidis.Completed {
	n := int64(len(keys))
	if byText {
		return be.client.B().Eval().Script(s.text).Numkeys(n).Key(keys...).Arg(args...).Build()
	}
	return be.client.B().Evalsha().Sha1(s.hash).Numkeys(n).Key(keys...).Arg(args...).Build()
}

// ask calls a script about a partition, with the epoch that is current. With check it is
// first looked whether that is of this server.
func (b *Broker) ask(ctx context.Context, be *backend, part *partition, s script, check bool, build func(at *epoch) (keys, args []string)) (*epoch, []rueidis.RedisMessage, error) {
	for range 8 {
		at := part.state.Load()
		if at == nil {
			var err error
			if at, err = b.readEpoch(ctx, be, part); err != nil {
				return nil, nil, err
			}
		}
		candidate := ""
		if check {
			candidate = newEpochName()
		}
		keys, args := build(at)
		keys = append([]string{part.epochKey}, keys...)
		args = append([]string{at.value, candidate}, args...)
		answer, err := be.call(ctx, s, false, keys, args)
		if isNoScript(err) {
			answer, err = be.call(ctx, s, true, keys, args)
		}
		if err != nil {
			return nil, nil, err
		}
		first, _ := answer[0].ToString()
		if first == "ok" {
			return at, answer[1:], nil
		}
		if first == "" {
			check = true
		} else if err := b.adopt(be, part, first); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, errRestart
}

// verify has the server say whether the epoch of a partition is its own, and begin
// another one if it is not.
func (b *Broker) verify(ctx context.Context, be *backend, part *partition) error {
	_, _, err := b.ask(ctx, be, part, scriptTops, true, func(*epoch) (keys, args []string) { return nil, nil })
	return err
}

// readEpoch has the server say which epoch a partition is in, and begin one if need be.
func (b *Broker) readEpoch(ctx context.Context, be *backend, part *partition) (*epoch, error) {
	keys, args := []string{part.epochKey}, []string{"", newEpochName()}
	answer, err := be.call(ctx, scriptTops, false, keys, args)
	if isNoScript(err) {
		answer, err = be.call(ctx, scriptTops, true, keys, args)
	}
	if err != nil {
		return nil, err
	}
	value, err := answer[0].ToString()
	if err == nil {
		err = b.adopt(be, part, value)
	}
	return part.state.Load(), err
}

// adopt takes the value of a partition's key for its epoch. If it is another one, everybody
// the listeners are told, once it is known where the channels are now.
func (b *Broker) adopt(be *backend, part *partition, value string) error {
	next, err := part.parseEpoch(value)
	if err != nil {
		return err
	}
	before := part.state.Load()
	if before != nil && before.value == value {
		return nil
	}
	if before != nil && before.name != next.name {
		next.adopted = time.Now() // until then it may have used the server of the other one
	} else if before != nil {
		next.adopted = before.adopted
	}
	next.one = part.oneScript(next, be.verb, be.isCluster)
	part.state.Store(next)
	if before != nil && before.name != next.name {
		b.logRenewal()
		b.deliveries.resync(be, part)
		b.patterns.lose(b)
	}
	return nil
}

// logRenewal says that another epoch has begun, once for all partitions that find it out at
// about the same time.
func (b *Broker) logRenewal() {
	if b.renewed.Add(1) > 1 {
		return
	}
	b.task(func() {
		b.wait(b.ctx, 10*retryMin)
		b.options.Log.Warn("Redis is not the server it was, or has lost its data: histories begin again", "partitions", b.renewed.Swap(0))
	})
}

// connectLoop reaches Redis, and then watches it.
func (b *Broker) connectLoop() {
	for pause := 2 * retryMin; ; pause = min(2*pause, retryMax) {
		be, err := b.connect(b.ctx)
		if err == nil {
			b.begin(be)
			return
		}
		b.note(err)
		if !b.wait(b.ctx, pause) {
			return
		}
	}
}

// begin lets everybody use be.
func (b *Broker) begin(be *backend) {
	b.backend.Store(be)
	close(b.reached)
	b.noteWell()
	b.task(func() { b.watchLoop(be) })
	b.task(func() { b.sendLoop(be) })
}

func (b *Broker) clientOption() rueidis.ClientOption {
	p := &b.place
	option := rueidis.ClientOption{
		InitAddress:  p.addresses,
		Username:     p.user,
		Password:     p.password,
		ClientName:   "godwit",
		SelectDB:     p.database,
		DisableCache: true,
		// A script that was not answered may have been run: only its caller knows what
		// that means.
		DisableRetry: true,
		// Each lane has a connection to itself while it calls: its goroutine writes and reads, and no
		// other one has to be woken for either. What is ToPipe shares some.
		DisableAutoPipelining: true,
		PipelineMultiplex:     1,
		ReadBufferEachConn:    64 << 10, WriteBufferEachConn: 64 << 10,
		// A connection that is silent for KeepAlive is pinged, and given up if it is silent for
		// ConnWriteTimeout then. Until that the library does not look at another master,
		// whatever the sentinels say.
		ConnWriteTimeout: silenceTimeout,
		Dialer:           net.Dialer{Timeout: silenceTimeout, KeepAlive: time.Second},
		DialCtxFn:        b.dialVerified,
		ClusterOption:    rueidis.ClusterOption{ShardsRefreshInterval: watchInterval},
	}
	if p.isTLS {
		option.TLSConfig = b.tlsConfig()
	}
	if p.master != "" {
		option.Sentinel = rueidis.SentinelOption{
			MasterSet: p.master, Username: p.sentinelUser, Password: p.sentinelPass,
			TLSConfig: option.TLSConfig, Dialer: option.Dialer,
			TopologyRefreshInterval: watchInterval,
		}
	}
	return option
}

func (b *Broker) tlsConfig() *tls.Config {
	if b.options.TLS != nil {
		return b.options.TLS
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}
}

// dial ends when the Broker is closed.
func (b *Broker) dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(b.ctx, cancel)()
	if config == nil {
		return dialer.DialContext(ctx, "tcp", address)
	}
	return (&tls.Dialer{NetDialer: dialer, Config: config}).DialContext(ctx, "tcp", address)
}

// connect reaches Redis and looks whether it can be used.
func (b *Broker) connect(ctx context.Context) (*backend, error) {
	client, err := rueidis.NewClient(b.clientOption())
	if err != nil {
		if strings.Contains(err.Error(), "cluster support disabled") {
			return nil, errServers
		}
		said, _ := fateOf(err)
		if b.place.isTLS && isRefusedTLS(err) {
			said = fmt.Errorf("%w: %w", ErrTLS, err)
		}
		return nil, said
	}
	client = persistent{client}
	be := &backend{client: client, verb: "PUBLISH", listeners: make(map[string]*listener)}
	n := partitionsAlone
	if client.Mode() == rueidis.ClientModeCluster {
		be.isCluster, be.verb, n = true, "SPUBLISH", partitionsCluster
	}
	be.parts = newPartitions(n, b.place.names())
	be.owners = make([]*listener, n)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	err = checkVersion(ctx, client)
	if err == nil {
		err = b.each(be.parts, func(part *partition) error {
			_, err := b.readEpoch(ctx, be, part)
			return err
		})
	}
	if err == nil {
		err = b.refresh(ctx, be)
	}
	if err != nil {
		for _, l := range be.all() {
			l.end()
		}
		client.Close()
		return nil, readError(ctx, err)
	}
	return be, nil
}

// each calls f for several at once and waits for all of them.
func (b *Broker) each(parts []*partition, f func(*partition) error) error {
	errs := make(chan error, len(parts))
	for _, part := range parts {
		go func() { errs <- f(part) }()
	}
	var all error
	for range parts {
		if err := <-errs; err != nil && all == nil {
			all = err
		}
	}
	return all
}

// checkVersion refuses servers that do not know what the scripts use.
func checkVersion(ctx context.Context, client rueidis.Client) error {
	info, err := client.Do(ctx, client.B().Info().Section("server").Build()).ToString()
	if err != nil {
		return err
	}
	version := infoField(info, "redis_version")
	major, _, _ := strings.Cut(version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < 7 {
		if len(version) > 20 {
			version = version[:20]
		}
		return fmt.Errorf("%w; this is %q", ErrVersion, version)
	}
	return nil
}

// infoField is a field of what INFO answers.
func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// watchLoop looks at how Redis is, and where its partitions are.
func (b *Broker) watchLoop(be *backend) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-b.look:
		case <-b.ctx.Done():
			for _, l := range be.all() {
				l.end()
			}
			return
		}
		b.deliveries.sweep(time.Now())
		ctx, cancel := context.WithTimeout(b.ctx, callTimeout)
		err := b.refresh(ctx, be)
		if err == nil {
			err = b.examine(ctx, be)
		}
		if err == nil {
			err = b.compareEpochs(ctx, be)
		}
		cancel()
		if err != nil {
			b.note(err)
		} else {
			b.noteWell()
		}
	}
}

// examine returns the fault of Redis. It also looks whether a server has become
// another one without anybody having noticed.
func (b *Broker) examine(ctx context.Context, be *backend) error {
	replids := make(map[string]bool)
	for _, node := range be.client.Nodes() {
		info, err := node.Do(ctx, node.B().Info().Section("replication").Build()).ToString()
		if err != nil {
			if be.isCluster {
				continue // it may have left; what it had shows below
			}
			return readError(ctx, err)
		}
		if infoField(info, "role") == "master" {
			replids[infoField(info, "master_replid")] = true
		} else if !be.isCluster {
			return ErrReadOnly
		}
	}
	var changed []*partition
	for _, part := range be.parts {
		if at := part.state.Load(); at == nil || !replids[at.replid] {
			changed = append(changed, part)
		}
	}
	err := b.each(changed, func(part *partition) error {
		_, err := b.readEpoch(ctx, be, part)
		return err
	})
	if err != nil {
		return readError(ctx, err)
	}
	for _, l := range be.all() {
		if err := l.trouble(); err != nil {
			return err
		}
	}
	return nil
}

// compareEpochs looks whether another node has begun an epoch, or somebody has deleted the keys
// of some: where nobody publishes nobody else would see it.
func (b *Broker) compareEpochs(ctx context.Context, be *backend) error {
	commands := make([]rueidis.Completed, len(be.parts))
	for i, part := range be.parts {
		commands[i] = be.client.B().Get().Key(part.epochKey).Build()
	}
	var changed []*partition
	for i, answer := range be.client.DoMulti(ctx, commands...) {
		value, err := answer.ToString()
		if err != nil && !rueidis.IsRedisNil(err) {
			return readError(ctx, err)
		}
		if at := be.parts[i].state.Load(); at == nil || at.value != value {
			changed = append(changed, be.parts[i])
		}
	}
	return readError(ctx, b.each(changed, func(part *partition) error {
		_, err := b.readEpoch(ctx, be, part)
		return err
	}))
}

var errNoOwner = errors.New("redis: no server of the cluster has some of its slots")
