// Package systemd is what a service and the manager that has started it tell each
// other about sockets and how far the service has come.
//
// Where there is no such manager it does nothing. sd_listen_fds(3) and sd_notify(3)
// are what it follows.
package systemd
