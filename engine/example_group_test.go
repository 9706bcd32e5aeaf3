package engine_test

import (
	"log"
	"time"

	"github.com/godwit-io/godwit/engine"
)

// ticker sends everybody the price of everything, as often as it changes.
type ticker struct {
	engine.NopHandler
	everybody engine.Group
}

func (t *ticker) OnOpen(c *engine.Conn) { _ = t.everybody.Add(c) } // it leaves by itself when it ends

func (t *ticker) changed(name string, price []byte) {
	m, err := engine.Prepare(engine.MessageText, price)
	if err != nil {
		log.Print(err)
		return
	}
	if err := t.everybody.PublishKey(name, m); err != nil {
		log.Print(err) // the loops are busy with what was published before
	}
}

// Whoever is slow skips prices and never gets an old one last.
func ExampleGroup() {
	t := &ticker{}
	s := &engine.Server{Handler: t, Options: engine.Options{QueuePolicy: engine.QueueConflate, QueueBytesMax: 64 << 10}}
	go func() {
		for range time.Tick(time.Second) {
			t.changed("GDWT", []byte(`{"GDWT": 13.0}`))
		}
	}()
	log.Print(s.ListenAndServe("127.0.0.1:8000"))
}
