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

// src/vue.ts
var vue_exports = {};
__export(vue_exports, {
  useConnection: () => useConnection,
  useMembers: () => useMembers,
  useMessages: () => useMessages
});
module.exports = __toCommonJS(vue_exports);
var import_vue = require("vue");
function until(listen) {
  if (typeof document !== "undefined") (0, import_vue.onScopeDispose)(listen());
}
function useMessages(godwit, name, options = {}) {
  const { keep = 100, ...rest } = options;
  const value = (0, import_vue.shallowRef)([]);
  until(() => godwit.channel(name, rest).on("message", (message) => value.value = [...value.value, message].slice(-keep)));
  return value;
}
function useMembers(godwit, name) {
  const value = (0, import_vue.shallowRef)([]);
  until(() => godwit.channel(name).presence.on("change", (roster) => value.value = roster.members));
  return value;
}
function useConnection(godwit) {
  const value = (0, import_vue.shallowRef)(godwit.state);
  until(() => godwit.on("state", (state) => value.value = state));
  return value;
}
