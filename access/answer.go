package access

// coversMethods reports whether p matches every method that text means, a name or a
// pattern as a client has sent it. A grant to answer math/* is none to answer math/**.
func (p Pattern) coversMethods(text, user string) bool {
	if !IsPattern(text) {
		return p.Matches(text, user)
	}
	asked, err := ParsePattern(text)
	return err == nil && p.Covers(asked, user)
}
