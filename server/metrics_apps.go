package server

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/godwit-io/godwit/compat/app"
	"github.com/godwit-io/godwit/compat/piesocket"
	"github.com/godwit-io/godwit/compat/pusher/protocol"
	"github.com/godwit-io/godwit/compat/socketio"
	"github.com/godwit-io/godwit/compat/sockjs"
)

// foreignTransports are the names of protocols of others in statistics and metrics.
var foreignTransports = append([]string{protocol.Transport, piesocket.Transport, socketio.Transport}, sockjs.TransportNames()...)

var (
	descAppConnections  = desc("app_connections", "Clients of an app connected now, by its ID.", "app")
	descAppPublications = desc("app_publications_total", "Publications of the clients and back ends of an app, by its ID.", "app")
	descAppDeliveries   = desc("app_deliveries_total", "Publications given to clients of an app, by its ID.", "app")
	descAppRefusals     = desc("app_refusals_total", "What was refused because an app had reached a limit, by its ID and the limit: connections, publications.", "app", "limit")
)

// The limits of an app, as labels.
const (
	limitAppConnections  = "connections"
	limitAppPublications = "publications"
)

// appCollector shows what is counted of each app. There are as many series as the
// configuration has apps.
type appCollector struct{ apps *app.Apps }

// Describe implements prometheus.Collector.
func (c *appCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descAppConnections, descAppPublications, descAppDeliveries, descAppRefusals} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *appCollector) Collect(ch chan<- prometheus.Metric) {
	for _, a := range c.apps.All() {
		s := a.Stats()
		ch <- prometheus.MustNewConstMetric(descAppConnections, prometheus.GaugeValue, float64(s.Connections), a.ID)
		ch <- prometheus.MustNewConstMetric(descAppPublications, prometheus.CounterValue, float64(s.Published), a.ID)
		ch <- prometheus.MustNewConstMetric(descAppDeliveries, prometheus.CounterValue, float64(s.Delivered), a.ID)
		ch <- prometheus.MustNewConstMetric(descAppRefusals, prometheus.CounterValue, float64(s.Refused), a.ID, limitAppConnections)
		ch <- prometheus.MustNewConstMetric(descAppRefusals, prometheus.CounterValue, float64(s.Limited), a.ID, limitAppPublications)
	}
}

func (m *metrics) watchApps(apps *app.Apps) { m.registry.MustRegister(&appCollector{apps}) }
