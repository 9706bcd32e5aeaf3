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

// src/cbor.ts
var cbor_exports = {};
__export(cbor_exports, {
  cbor: () => cbor
});
module.exports = __toCommonJS(cbor_exports);

// src/keys.ts
var keys = "channel position time data event user key kind delta id ok error gap from to reason count message publish subscribe since join leave members connect unsubscribe history presence digest rpc cancel register unregister answer refresh ping end token client resume session secret messages last rate self idempotency_key limit cursor by method timeout_ms concurrency call type title detail retry_after_ms resumed reconnect after_ms ping_ms expires_after_ms duplicate publications users version previous transport sessions info canceled sha256 call_over trace expiring code subscribed unsubscribed unregistered vector args attachments framed exclude behind is".split(" ");

// src/cbor.ts
var cbor = { protocol: "godwit.v1.cbor", encode, decode };
var numbers = new Map(keys.map((name, number) => [name, number]));
var tagJSON = 262;
var levelsMax = 64;
var strict = new TextDecoder("utf-8", { fatal: true });
var utf8 = new TextEncoder();
function encode(line) {
  const chunks = [];
  let size = 0;
  const put = (bytes) => {
    chunks.push(bytes);
    size += bytes.length;
  };
  const head = (type, n) => {
    const [count, bytes] = n < 24 ? [n, 0] : n < 256 ? [24, 1] : n < 65536 ? [25, 2] : n < 2 ** 32 ? [26, 4] : [27, 8];
    const out = new Uint8Array(1 + bytes);
    out[0] = type << 5 | count;
    for (let i = bytes; i > 0; i--, n = Math.floor(n / 256)) out[i] = n % 256;
    put(out);
  };
  const data = (type, bytes) => {
    head(type, bytes.length);
    put(bytes);
  };
  const write = (value, isPayload) => {
    if (typeof value === "string") data(3, utf8.encode(value));
    else if (isPayload) {
      head(6, tagJSON);
      data(2, utf8.encode(JSON.stringify(value)));
    } else if (typeof value === "number") head(value < 0 ? 1 : 0, value < 0 ? -1 - value : value);
    else if (typeof value === "boolean") head(7, value ? 21 : 20);
    else if (value === null) head(7, 22);
    else {
      const members = Object.entries(value).filter(([, value2]) => value2 !== void 0);
      head(5, members.length);
      for (const [name, value2] of members) {
        const isBytes = name === "data_base64";
        head(0, numbers.get(isBytes ? "data" : name));
        if (isBytes) data(2, Uint8Array.from(atob(value2), (c) => c.charCodeAt(0)));
        else write(value2, name === "data");
      }
    }
  };
  write(line, false);
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
function decode(message) {
  const bytes = new Uint8Array(message);
  let at = 0;
  const number = (count) => {
    if (count < 24) return count;
    if (count > 27) throw new SyntaxError("this is no CBOR of the server's");
    let n = 0;
    for (let i = 1 << count - 24; i > 0; i--) n = n * 256 + bytes[at++];
    return n;
  };
  const take = (count) => {
    if (at + count > bytes.length) throw new SyntaxError("CBOR ends too early");
    return bytes.subarray(at, at += count);
  };
  const read = (level, owner) => {
    const first = take(1)[0];
    const type = first >> 5;
    if (type === 7) {
      const simple = first & 31;
      return simple === 22 ? null : simple === 21;
    }
    const n = number(first & 31);
    if (level > levelsMax) throw new SyntaxError("CBOR has too many levels");
    switch (type) {
      case 0:
        return n;
      case 1:
        return -1 - n;
      case 2:
        return take(n).slice();
      case 3:
        return strict.decode(take(n));
      case 4:
        return Array.from({ length: Math.min(n, bytes.length) }, () => read(level + 1));
      case 5: {
        const out = {};
        for (let i = 0; i < n; i++) {
          const name = keys[read(level + 1)];
          const value = read(level + 1, name === "data" ? out : void 0);
          if (name === "time") out.time = value / 1e3;
          else if (name === "since" && typeof value === "number") out.since = new Date(value / 1e3).toISOString();
          else if (name) out[name] = value;
        }
        return out;
      }
      default: {
        const text = read(level + 1);
        if (owner) Object.defineProperty(owner, "raw", { value: text });
        return JSON.parse(strict.decode(text));
      }
    }
  };
  const lines = [];
  while (at < bytes.length) lines.push(read(0));
  return lines;
}
