package hub

// EndWindow ends the window of a channel that is watched, as its timer does.
func (h *Hub) EndWindow(channel string) { h.channels.find(channel).presence.tell() }
