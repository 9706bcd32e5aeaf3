// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.
// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit
"use strict";
var __defProp = Object.defineProperty;
var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
var __getOwnPropNames = Object.getOwnPropertyNames;
var __hasOwnProp = Object.prototype.hasOwnProperty;
var __export = (target, all) => {
  for (var name in all)
    __defProp(target, name, { get: all[name], enumerable: true });
};
var __copyProps = (to, from, except, desc) => {
  if (from && typeof from === "object" || typeof from === "function") {
    for (let key of __getOwnPropNames(from))
      if (!__hasOwnProp.call(to, key) && key !== except)
        __defProp(to, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
  }
  return to;
};
var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);

// src/react.ts
var react_exports = {};
__export(react_exports, {
  useChannel: () => useChannel,
  useConnection: () => useConnection,
  usePresence: () => usePresence
});
module.exports = __toCommonJS(react_exports);
var import_react = require("react");
function useChannel(godwit, name, options = {}) {
  const { last, since, rate, keep = 100 } = options;
  const channel = (0, import_react.useMemo)(() => godwit.channel(name, { last, since, rate }), [godwit, name, last, since, rate]);
  const shown = (0, import_react.useRef)(void 0);
  const [view, setView] = (0, import_react.useState)({ messages: [] });
  (0, import_react.useEffect)(() => {
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
  const publish = (0, import_react.useCallback)((data) => channel.publish(data), [channel]);
  return { messages: view.messages, latest: view.messages.at(-1), gap: view.gap, error: view.error, publish };
}
function usePresence(godwit, name) {
  const roster = (0, import_react.useMemo)(() => godwit.channel(name).presence, [godwit, name]);
  const [view, setView] = (0, import_react.useState)({ members: [], count: 0 });
  (0, import_react.useEffect)(() => roster.on("change", ({ members, count }) => setView({ members, count })), [roster]);
  return view;
}
function useConnection(godwit) {
  const subscribe = (0, import_react.useCallback)((changed) => godwit.on("state", changed), [godwit]);
  const read = () => godwit.state;
  return (0, import_react.useSyncExternalStore)(subscribe, read, read);
}
