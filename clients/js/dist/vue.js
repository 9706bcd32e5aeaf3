// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.
// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit

// src/vue.ts
import { onScopeDispose, shallowRef } from "vue";
function until(listen) {
  if (typeof document !== "undefined") onScopeDispose(listen());
}
function useMessages(godwit, name, options = {}) {
  const { keep = 100, ...rest } = options;
  const value = shallowRef([]);
  until(() => godwit.channel(name, rest).on("message", (message) => value.value = [...value.value, message].slice(-keep)));
  return value;
}
function useMembers(godwit, name) {
  const value = shallowRef([]);
  until(() => godwit.channel(name).presence.on("change", (roster) => value.value = roster.members));
  return value;
}
function useConnection(godwit) {
  const value = shallowRef(godwit.state);
  until(() => godwit.on("state", (state) => value.value = state));
  return value;
}
export {
  useConnection,
  useMembers,
  useMessages
};
