package redisbroker

import (
	"errors"
	"strings"
	"testing"

	"github.com/godwit-io/godwit/hub"
)

func TestNegativeOptions(t *testing.T) {
	_, err := New(&Options{URL: []string{"redis://localhost"}, IdempotencyWindow: -1})
	var wrong *hub.OptionError
	if !errors.As(err, &wrong) || wrong.Option != "IdempotencyWindow" {
		t.Errorf("New: %v", err)
	}
}

func TestURLs(t *testing.T) {
	for text, want := range map[string]place{
		"redis://localhost":                                               {addresses: []string{"localhost:6379"}},
		"rediss://ann:s3cret@[::1]:7000/3":                                {addresses: []string{"[::1]:7000"}, isTLS: true, user: "ann", password: "s3cret", database: 3},
		"redis://:s3cret@h/?prefix=a_b-1":                                 {addresses: []string{"h:6379"}, password: "s3cret", prefix: "a_b-1"},
		"redis://h:26379?sentinel_master=m":                               {addresses: []string{"h:26379"}, master: "m"},
		"redis://h?sentinel_master=m&sentinel_user=u&sentinel_password=p": {addresses: []string{"h:6379"}, master: "m", sentinelUser: "u", sentinelPass: "p"},
	} {
		p, err := parsePlace([]string{text})
		if err != nil || len(p.addresses) != 1 || p.addresses[0] != want.addresses[0] || !sameBesides(p, want) {
			t.Errorf("%s is %+v, %v; want %+v", text, p, err, want)
		}
	}
	two, err := parsePlace([]string{"redis://u:p@a:1", "redis://u:p@b:2"})
	if err != nil || strings.Join(two.addresses, " ") != "a:1 b:2" {
		t.Errorf("two servers are %+v, %v", two, err)
	}
	for _, urls := range [][]string{
		nil,
		{""},
		{"redis://"},
		{"http://h"},
		{"redis://h:0"},
		{"redis://h:70000"},
		{"redis://h/x"},
		{"redis://h/-1"},
		{"redis://h?what=1"},
		{"redis://h?prefix="},
		{"redis://h?prefix=a:b"},
		{"redis://h?prefix=a&prefix=b"},
		{"redis://h?sentinel_user=u"},
		{"redis://h#f"},
		{"redis://u:s3cret@a", "redis://u:other@b"},
		{"redis://a", "rediss://b"},
		{"redis://a/1", "redis://b/1"},
	} {
		err := ParseURLs(urls)
		var wrong *URLError
		if !errors.As(err, &wrong) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", urls, err)
		}
	}
}

func FuzzURLs(f *testing.F) {
	f.Add("redis://u:p@localhost:6379/1?prefix=a")
	f.Add("rediss://[::1]?sentinel_master=m")
	f.Fuzz(func(t *testing.T, text string) {
		if err := ParseURLs([]string{text}); err != nil {
			return
		}
		p, _ := parsePlace([]string{text})
		n := p.names()
		if strings.ContainsAny(n.key+n.topic, "{}*?[]\\ \r\n") {
			t.Fatalf("%q has keys that begin with %q and topics that begin with %q", text, n.key, n.topic)
		}
	})
}

// TestPartitions: those of a cluster are evenly spread over its slots, whatever has which.
func TestPartitions(t *testing.T) {
	for _, n := range []int{partitionsAlone, partitionsCluster} {
		parts := newPartitions(n, names{"g1:", "g1:"})
		for i, p := range parts {
			if int(p.slot)*n/slots != i || p.index != i || !strings.HasPrefix(p.epochKey, "g1:{") {
				t.Errorf("partition %d of %d is %+v", i, n, p)
			}
		}
		counts := make([]int, n)
		const channels = 64_000
		for i := range channels {
			counts[hashOf("room/"+strings.Repeat("x", i%7)+string(rune('a'+i%26))+hub.Position{Epoch: "e", Offset: uint64(i)}.String())%uint32(n)]++
		}
		for i, count := range counts {
			if mean := channels / n; count < mean*3/4 || count > mean*5/4 {
				t.Errorf("partition %d of %d has %d of %d channels", i, n, count, channels)
			}
		}
	}
	// The values of the specification of Redis Cluster.
	for tag, want := range map[string]uint16{"123456789": 0x31C3, "foo": 12182} {
		if got := slotOf(tag); got != want%slots {
			t.Errorf("the slot of %q is %d, want %d", tag, got, want)
		}
	}
}
