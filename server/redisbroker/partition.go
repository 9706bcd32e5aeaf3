package redisbroker

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/godwit-io/godwit/hub"
)

// slots is how many a Redis Cluster has.
const slots = 16384

// partitionsAlone and partitionsCluster are how many partitions there are. Those of one server
// only let calls overlap, and the fewer there are, the more goes into one call: with 4 instead of
// 16, 64 publishers cost Redis a quarter less. In a cluster they are what is spread over the
// servers. Another number would be another layout of the keys.
const (
	partitionsAlone   = 4
	partitionsCluster = 128
)

// names are how keys and topics begin.
type names struct {
	key   string // such as g1:
	topic string // the same, with the number of the database, which topics know nothing of
}

// partition is a part of all channels.
type partition struct {
	index    int
	name     string // such as {12}
	slot     uint16
	keyHead  string // g1:{12}:
	topics   string // g1:{12}:
	epochKey string
	all      string // the topic of all channels

	state atomic.Pointer[epoch] // nil until it was read

	publishing lane
}

// newPartitions returns n partitions, a power of 2, evenly spread over the slots.
func newPartitions(n int, names names) []*partition {
	list := make([]*partition, n)
	for tag, left := 0, n; left > 0; tag++ {
		name := "{" + strconv.Itoa(tag) + "}"
		slot := slotOf(strconv.Itoa(tag))
		i := int(slot) * n / slots
		if list[i] != nil {
			continue
		}
		left--
		list[i] = &partition{
			index: i, name: name, slot: slot,
			keyHead: names.key + name + ":", topics: names.topic + name + ":",
			epochKey: names.key + name + ":e", all: names.topic + name + ":a",
		}
	}
	return list
}

// slotOf is the slot of the text in the braces of a key: CRC16/XMODEM modulo 16384.
func slotOf(tag string) uint16 {
	var crc uint16
	for _, b := range []byte(tag) {
		crc ^= uint16(b) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc % slots
}

// hashOf spreads channels and topics over partitions. All nodes have to agree about it.
func hashOf(name string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	sum := h.Sum32()
	return sum ^ sum>>16 // its low bits alone are no good hash
}

func (p *partition) channelTopic(channel string) string { return p.topics + "c:" + channel }
func (p *partition) busTopic(topic string) string       { return p.topics + "b:" + topic }

// stream is the key of a channel's history in an epoch.
func (p *partition) stream(e *epoch, channel string) string { return e.streams + channel }

// idempotency is the key of an idempotency key: of one size however long the two are.
func (p *partition) idempotency(channel, key string) string {
	b := make([]byte, 0, 8+hub.ChannelNameBytesMax+hub.IdempotencyKeyBytesMax)
	// The length keeps ("a", "bc") and ("ab", "c") apart.
	b = binary.BigEndian.AppendUint64(b, uint64(len(channel)))
	b = append(append(b, channel...), key...)
	sum := sha256.Sum256(b)
	return p.keyHead + "i:" + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// epoch is the epoch of a partition, as one server has it. It is immutable.
type epoch struct {
	value   string // of its key
	name    string
	began   time.Time
	adopted time.Time // when this node changed to it from another one, zero if it did not
	replid  string
	streams string // what the keys of its streams begin with
	publish script
	one     script
}

var errEpoch = errors.New("redisbroker: the key of an epoch has a value that this version does not know")

// parseEpoch takes the value of a partition's key apart.
func (p *partition) parseEpoch(value string) (*epoch, error) {
	name, ms, replid, err := parseEpochValue(value)
	if err != nil {
		return nil, err
	}
	return &epoch{
		value: value, name: name, began: time.UnixMilli(ms).UTC(), replid: replid,
		streams: p.keyHead + name + ":s:",
		publish: publishScript(p.name, replid),
	}, nil
}

// parseEpochValue is the parts of "EPOCH MILLISECONDS REPLID".
func parseEpochValue(value string) (name string, ms int64, replid string, err error) {
	parts := strings.Split(value, " ")
	if len(parts) != 3 || parts[2] == "" || strings.ContainsAny(parts[2], "\r\n") {
		return "", 0, "", errEpoch
	}
	// A position has the name in it, which other nodes and clients read.
	if _, err := hub.ParsePosition(parts[0] + ":0"); err != nil {
		return "", 0, "", errEpoch
	}
	ms, err = strconv.ParseInt(parts[1], 10, 64)
	if err != nil || ms < 0 {
		return "", 0, "", errEpoch
	}
	return parts[0], ms, parts[2], nil
}

// newEpochName is a name that no epoch has had: 50 bits are random.
func newEpochName() string { return rand.Text()[:10] }
