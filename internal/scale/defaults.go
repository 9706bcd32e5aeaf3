package scale

// Defaults are the figures of docs/scale.md, which says how they were measured and on what.
func Defaults() Figures {
	return Figures{
		From:            []string{"defaults of this version; docs/scale.md says on what, and how to measure your own"},
		ConnectionBytes: 1850,
		Deliveries:      []Delivery{{1, 11.3}, {10, 8.5}, {500, 2.6}, {5000, 0.9}},
		PublishMicros:   15,
		WireBytes:       180,
		Brokers: map[string]Broker{
			"memory": {NodesMax: 1},
			"disk":   {NodesMax: 1, NodePublishMicros: 6},
			"redis":  {NodePublishMicros: 20, NodeHearMicros: 4.5, PublishMicros: 12, HearMicros: 1.5, Busiest: 1, Members: 2, Threads: 1, Part: "masters"},
			"nats":   {NodePublishMicros: 40, NodeHearMicros: 12, PublishMicros: 120, HearMicros: 6, Busiest: 0.45, Members: 3, Threads: 2},
		},
	}
}
