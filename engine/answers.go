package engine

// answers are responses that were made while the input of a turn is handled, and leave
// together. The first wakes its receiver, and a proxy or a back end with many connections
// finds the others when it comes round. An answer that left as soon as it was made would wake
// it each time: on two cores that costs more than making it.
//
//	input ─► OnBody ─┐
//	input ─► OnBody ─┼─► send, send, send
//	input ─► OnBody ─┘
type answers struct {
	isOpen bool // more requests may be answered in this turn
	first  int
	n      int
	conns  [answersMax]*Conn // n from first on
}

const (
	// answersMax is how many responses are held at most. The first waits until the
	// others are made, some 5 µs for each.
	answersMax = 16

	// answerBytesMax is the longest that is held.
	answerBytesMax = 16 << 10
)

// holdAnswer keeps what c has to send until sendAnswers, and reports whether it does.
// Until then c stays corked.
func (l *loop) holdAnswer(c *Conn) bool {
	a := &l.answers
	if !a.isOpen || a.n == answersMax {
		return false
	}
	c.mu.Lock()
	holds := c.queued > 0 && c.queued <= answerBytesMax && c.flags&blocked == 0
	if holds {
		l.giveCork(c)
	}
	c.mu.Unlock()
	if holds {
		a.conns[a.first+a.n] = c
		a.n++
	}
	return holds
}

// sendAnswers sends what was held, in the order of the requests.
func (l *loop) sendAnswers() {
	a := &l.answers
	for a.n > 0 {
		// Each is taken out before it is dealt with: it may not return, see run.
		c := a.conns[a.first]
		a.conns[a.first] = nil
		a.first++
		a.n--
		l.sendAnswer(c)
	}
	a.first = 0
}

func (l *loop) sendAnswer(c *Conn) {
	defer l.recoverPanic(c)
	l.begin(c)
	if c.state != stateExchange {
		return // it has ended meanwhile
	}
	l.uncork(c)
	if c.state == stateExchange {
		l.awaitResponse(c, c.extra.exchange)
	}
}
