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

// src/svelte.ts
var svelte_exports = {};
__export(svelte_exports, {
  connection: () => connection,
  members: () => members,
  messages: () => messages
});
module.exports = __toCommonJS(svelte_exports);
var isPage = () => typeof document !== "undefined";
var nothing = () => {
};
function messages(godwit, name, options = {}) {
  const { keep = 100, ...rest } = options;
  return {
    subscribe(run) {
      let value = [];
      run(value);
      if (!isPage()) return nothing;
      return godwit.channel(name, rest).on("message", (message) => run(value = [...value, message].slice(-keep)));
    }
  };
}
function members(godwit, name) {
  return {
    subscribe(run) {
      run([]);
      if (!isPage()) return nothing;
      return godwit.channel(name).presence.on("change", (roster) => run(roster.members));
    }
  };
}
function connection(godwit) {
  return {
    subscribe(run) {
      run(godwit.state);
      return godwit.on("state", run);
    }
  };
}
