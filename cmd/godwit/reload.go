package main

import (
	"context"
	"os"
	"os/signal"
	"sync"

	"github.com/godwit-io/godwit/server"
)

// reloadOnSignal has s go on with what load returns whenever the signal for that
// comes. stop ends that.
func reloadOnSignal(ctx context.Context, s *server.Server, load func() (server.Config, error)) (stop func()) {
	signals, stopped := make(chan os.Signal, 1), make(chan struct{})
	notifyReload(signals)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		defer signal.Stop(signals)
		for {
			select {
			case <-signals:
				s.ReloadFrom(ctx, load)
			case <-stopped:
				return
			}
		}
	})
	return func() {
		close(stopped)
		waiting.Wait()
	}
}
