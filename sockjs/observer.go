package sockjs

// Observer is told of the acts of a Server. Every field may be nil. The functions are called
// from many goroutines, also event loops: they must be quick and must not block.
type Observer struct {
	// Opened is called when a client was told that its session is open.
	Opened func(t Transport)

	// Closed is called when a session has ended that was open.
	Closed func(t Transport, err *CloseError)

	// Refused is called when a session has ended that was not, or of which there were too
	// many.
	Refused func(t Transport, err *CloseError)

	// OriginRefused is called when a page of another origin is refused, with what its
	// request said; origin is "" if it did not say.
	OriginRefused func(origin, host string)
}

// Stats are the numbers of a Server.
type Stats struct {
	Sessions   int    // there are, WebSockets included
	Waiting    int    // of them have no receiver at the moment, or have ended and are kept to tell the client
	WebSockets int    // of them are WebSockets
	Opened     uint64 // since the beginning
	Refused    uint64 // sessions that were refused, since the beginning
	Received   uint64 // messages of clients
	Sent       uint64 // messages to clients, those included that still wait
}
