// Code on the page: told with the address the page was loaded from, coloured, and
// copied with one press.

const written = "127.0.0.1:8000"; // the address the page is written with
const base = new URL("..", import.meta.url).href.slice(0, -1); // a proxy may have put it below a path

/** here puts the address of this server into text that names the default one. */
export function here(text) {
  return text
    .replaceAll(`http://${written}`, base)
    .replaceAll(`ws://${written}`, base.replace(/^http/, "ws"));
}

const tokens =
  /(?<string>"[^"\n]*"|'[^'\n]*'|`[^`]*`)|(?<word>\b(?:const|let|for|new|await|curl|godwit)\b)|(?<note>^\/\/.*)/gm;

/** show fills element with text, coloured as code. */
export function show(element, text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(tokens)) {
    parts.push(text.slice(end, match.index));
    const [kind] = Object.entries(match.groups).find(([, found]) => found !== undefined);
    const span = document.createElement("span");
    span.className = `code-${kind}`;
    span.textContent = match[0];
    parts.push(span);
    end = match.index + match[0].length;
  }
  element.replaceChildren(...parts, text.slice(end));
}

/** copyButton returns a button that copies what element shows. */
export function copyButton(element) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    button.textContent = (await copy(element)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (button.textContent = "Copy"), 1600);
  });
  return button;
}

// The clipboard is only offered over https and on localhost. Elsewhere the text is
// selected, which leaves one key to press.
async function copy(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return false;
  }
}
