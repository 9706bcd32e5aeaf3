package server

import (
	"github.com/godwit-io/godwit/hub"
	"github.com/godwit-io/godwit/transport"
	"github.com/godwit-io/godwit/transport/reconnect"
)

// serveHub makes the hub and what serves its channels.
func (s *Server) serveHub(broker hub.Broker) (err error) {
	c := &s.config
	s.hub, err = hub.New(broker, &hub.Options{
		Retention:           hub.Retention{Count: *c.History.Count, Age: c.History.Age},
		NoHistory:           *c.History.Count == 0,
		PublicationBytesMax: c.Limits.PublicationBytes,
		QueueCountMax:       c.Limits.QueueCount,
		QueueBytesMax:       c.Limits.QueueBytes,
		SubscriptionsMax:    c.Limits.Subscriptions,

		HistoryPagesPerSecond: c.Limits.HistoryPagesPerSecond,

		Observer: s.hubObserver(),
		Logger:   s.log,
	})
	if err != nil {
		return err
	}
	if err := s.joinCluster(); err != nil {
		return err
	}
	if err := s.shareMembers(); err != nil {
		return err
	}
	if s.node != nil {
		s.nodes = s.newNodes(s.node.ID(), clusterNeighbours{s.node})
	}
	s.hub.SetPolicies(s.guard.Settings().Policies.OfHub)
	s.answerMethods(s.guard.Settings().Hooks)
	protocols, err := s.makeKeyed()
	if err != nil {
		return err
	}
	besides, err := s.protocolsBesides()
	if err != nil {
		return err
	}
	var elsewhere func(node, session, secret string)
	if s.nodes != nil {
		elsewhere = s.endElsewhere
		s.answerEnd()
	}
	s.channels, err = transport.New(s.hub, &transport.Options{
		Protocols:      append(protocols, besides...),
		Origins:        s.origins,
		Credentials:    c.Credentials,
		Guard:          s.guard,
		RefuseByStatus: c.Refusals.WebSocket == RefuseByStatus,
		BodyBytesMax:   c.Limits.PublicationBytes,
		Heartbeat:      c.Heartbeat,
		Compression:    s.compression(),
		Header:         securityHeader,
		Observer:       s.transportObserver(),

		Node:            s.nodeID(),
		Elsewhere:       elsewhere,
		SessionTimeout:  c.Sessions.Timeout,
		SessionBytesMax: c.Sessions.MessageBytes,
		PingInterval:    c.Sessions.Ping,

		Reconnect:         reconnect.Spread(c.Reconnect),
		SessionsPerSecond: c.Limits.SessionsPerSecond,
		Logger:            s.log,
	})
	if err == nil {
		err = s.mountForeign()
	}
	if err == nil {
		s.metrics.watchReconnects(s.channels.ReconnectWindow)
		s.metrics.watchSessions(s.channels.SessionCounts)
	}
	return err
}
