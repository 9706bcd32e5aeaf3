// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.
// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit

// src/delta.ts
function fossil() {
  let base = new Uint8Array();
  return (line) => {
    const { kind, delta, delta_base64, ...whole } = line;
    const { data, data_base64 } = line;
    if (delta === void 0 && delta_base64 === void 0) {
      base = line.raw ?? (data_base64 === void 0 ? bytes(data) : fromBase64(data_base64));
      if (kind === "json" && !line.raw) whole.data = JSON.parse(data);
      return whole;
    }
    try {
      base = applyDelta(base, delta_base64 === void 0 ? bytes(delta) : fromBase64(delta_base64));
    } catch {
      return void 0;
    }
    if (kind === "binary") whole.data = base.slice();
    else {
      const text = new TextDecoder().decode(base);
      whole.data = kind === "json" ? JSON.parse(text) : text;
    }
    return whole;
  };
}
var sizeMax = 1 << 26;
function applyDelta(base, delta) {
  let at = 0;
  const number = () => {
    let n = 0;
    for (let digit; (digit = digits.indexOf(String.fromCharCode(delta[at] ?? 0))) >= 0; at++) n = n * 64 + digit;
    return n;
  };
  const size = number();
  if (delta[at++] !== 10 || size > sizeMax) throw new RangeError("this is no delta, or of something too large");
  const out = new Uint8Array(size);
  let length = 0;
  for (; ; ) {
    const count = number();
    const command = String.fromCharCode(delta[at++] ?? 0);
    let from = delta;
    let offset = at;
    if (command === "@") {
      from = base;
      offset = number();
      if (delta[at++] !== 44) break;
    } else if (command === ":") at += count;
    else if (command === ";" && length === size && at === delta.length && count === checksum(out)) return out;
    else break;
    if (length + count > size || offset + count > from.length) break;
    out.set(from.subarray(offset, offset + count), length);
    length += count;
  }
  throw new RangeError("this delta does not fit what it is applied to");
}
var digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~";
function checksum(data) {
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum = sum + (data[i] << 24 - 8 * (i % 4)) | 0;
  return sum >>> 0;
}
function bytes(text) {
  return typeof text === "string" ? new TextEncoder().encode(text) : text;
}
function fromBase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}
export {
  applyDelta,
  fossil
};
