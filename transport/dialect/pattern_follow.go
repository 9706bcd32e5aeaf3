package dialect

// FollowsPatterns implements Follower.
func (s *Socket) FollowsPatterns() bool { return s.progress.FollowsPatterns() }

// SetCaughtUp implements Follower.
func (s *Socket) SetCaughtUp(hasCaughtUp bool) { s.progress.SetCaughtUp(hasCaughtUp) }

// FollowsPatterns implements Follower.
func (s *Stream) FollowsPatterns() bool { return s.progress.FollowsPatterns() }

// SetCaughtUp implements Follower.
func (s *Stream) SetCaughtUp(hasCaughtUp bool) { s.progress.SetCaughtUp(hasCaughtUp) }
