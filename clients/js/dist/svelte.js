// Code generated from clients/js/src by `go generate ./clients/js`. DO NOT EDIT.
// Godwit's client for JavaScript. Apache-2.0, https://github.com/godwit-io/godwit

// src/svelte.ts
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
export {
  connection,
  members,
  messages
};
