// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.
// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit

// src/react.ts
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
function useChannel(godwit, name, options = {}) {
  const { last, since, rate, keep = 100 } = options;
  const channel = useMemo(() => godwit.channel(name, { last, since, rate }), [godwit, name, last, since, rate]);
  const shown = useRef(void 0);
  const [view, setView] = useState({ messages: [] });
  useEffect(() => {
    const end = new AbortController();
    const { signal } = end;
    if (shown.current !== channel) setView({ messages: [] });
    shown.current = channel;
    let fresh = [];
    channel.on(
      "message",
      (message) => {
        if (fresh.push(message) > 1) return;
        queueMicrotask(() => {
          const more = fresh;
          fresh = [];
          setView((before) => ({ ...before, messages: [...before.messages, ...more].slice(-keep) }));
        });
      },
      { signal }
    );
    channel.on("gap", (gap) => setView((before) => ({ ...before, gap })), { signal });
    channel.on("error", (error) => setView((before) => ({ ...before, error })), { signal });
    return () => end.abort();
  }, [channel, keep]);
  const publish = useCallback((data) => channel.publish(data), [channel]);
  return { messages: view.messages, latest: view.messages.at(-1), gap: view.gap, error: view.error, publish };
}
function usePresence(godwit, name) {
  const roster = useMemo(() => godwit.channel(name).presence, [godwit, name]);
  const [view, setView] = useState({ members: [], count: 0 });
  useEffect(() => roster.on("change", ({ members, count }) => setView({ members, count })), [roster]);
  return view;
}
function useConnection(godwit) {
  const subscribe = useCallback((changed) => godwit.on("state", changed), [godwit]);
  const read = () => godwit.state;
  return useSyncExternalStore(subscribe, read, read);
}
export {
  useChannel,
  useConnection,
  usePresence
};
