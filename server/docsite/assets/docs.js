// What a page is better with: code that names this server and can be copied, and the search.
// Without it everything can be read.

import { copyButton, here, show } from "../../welcome/code.js";
import { begin } from "./search.js";

for (const code of document.querySelectorAll("article pre > code")) {
  show(code, here(code.textContent));
  const pre = code.parentElement;
  const frame = document.createElement("div");
  frame.className = "code";
  pre.replaceWith(frame);
  frame.append(pre, copyButton(code));
}

// What is wider than the page can be scrolled with the keyboard, too.
const reach = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute("tabindex");
  }
});
for (const wide of document.querySelectorAll("article pre, .table")) reach.observe(wide);

// The list of pages begins where the reader is.
document.querySelector(".pages [aria-current]")?.scrollIntoView({ block: "center" });
if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();

begin(document.querySelector(".search"), document.body.dataset.up);
