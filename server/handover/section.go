package handover

import (
	"encoding/json"
	"io"
)

// NameBytesMax is how long the name of a section may be.
const NameBytesMax = 64

// Greeting is what the process that comes says first.
type Greeting struct {
	Build    string         // of the program
	PID      int            // of the process
	Relay    int            // the version of what follows the conversation
	Sections map[string]int // the newest version of each section that it understands
}

// SendHello sends a Greeting.
func (c *Conn) SendHello(g Greeting) error {
	b, err := json.Marshal(g)
	if err != nil {
		return err
	}
	return c.Send(Hello, b)
}

// ReceiveHello receives a Greeting.
func (c *Conn) ReceiveHello() (g Greeting, err error) {
	b, err := c.Expect(Hello)
	if err == nil && json.Unmarshal(b, &g) != nil {
		err = ErrFrame
	}
	return g, err
}

// sectionHead is what a section begins with.
type sectionHead struct {
	Name    string
	Version int
}

// Section begins a section. The bytes written are sent in parts; Close ends the section, and
// nothing else is sent before.
func (c *Conn) Section(name string, version int) (io.WriteCloser, error) {
	b, err := json.Marshal(sectionHead{name, version})
	if err != nil || name == "" || len(name) > NameBytesMax {
		return nil, ErrFrame
	}
	if err := c.Send(sectionBegin, b); err != nil {
		return nil, err
	}
	return &sectionWriter{c}, nil
}

type sectionWriter struct{ c *Conn }

func (w *sectionWriter) Write(p []byte) (n int, err error) {
	for n < len(p) {
		part := p[n:min(len(p), n+sectionBytes)]
		if err := w.c.Send(sectionData, part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}

func (w *sectionWriter) Close() error { return w.c.Send(sectionEnd, nil) }

// Next begins to receive the next section. Its content ends with io.EOF, and what of it is
// not read is passed over by the next call. After the last one the error is io.EOF.
func (c *Conn) Next(last *SectionReader) (*SectionReader, error) {
	if last != nil {
		if _, err := io.Copy(io.Discard, last); err != nil {
			return nil, err
		}
	}
	kind, says, err := c.Receive()
	if err != nil {
		if err == io.EOF { // the connection has ended, and the sections have not
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch kind {
	case End:
		return nil, io.EOF
	case sectionBegin:
	default:
		return nil, ErrFrame
	}
	var head sectionHead
	if json.Unmarshal(says, &head) != nil || head.Name == "" || len(head.Name) > NameBytesMax {
		return nil, ErrFrame
	}
	return &SectionReader{Name: head.Name, Version: head.Version, c: c}, nil
}

// SectionReader reads a section.
type SectionReader struct {
	Name    string
	Version int

	c    *Conn
	left []byte
	err  error
}

// Read implements io.Reader.
func (r *SectionReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		kind, says, err := r.c.Receive()
		switch {
		case err == io.EOF:
			r.err = io.ErrUnexpectedEOF
		case err != nil:
			r.err = err
		case kind == sectionEnd:
			r.err = io.EOF
		case kind == sectionData:
			r.left = says
		default:
			r.err = ErrFrame
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}
