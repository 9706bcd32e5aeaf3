// Package packaging holds what a machine needs to run Godwit and to watch it: a unit for
// systemd, a Dockerfile, a dashboard for Grafana, and the tests that keep them true.
package packaging
