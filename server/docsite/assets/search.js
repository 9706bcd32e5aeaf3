// The search: a combobox whose list has sections of pages. "/" goes there, arrows choose,
// Enter opens, Escape leaves.

import { excerpt, prepare, rank } from "./rank.js";

/** begin makes the search of a page work. up leads from the page to where all pages are. */
export function begin(search, up) {
  const input = search.querySelector("input");
  const list = search.querySelector("ol");
  const status = search.querySelector("[role=status]");
  search.hidden = false;

  let index; // a promise, once somebody is about to search
  let chosen = -1;
  let asked = 0;
  const load = () =>
    (index ??= fetch(`${up}search.json`)
      .then((answer) => {
        if (!answer.ok) throw new Error(answer.statusText);
        return answer.json();
      })
      .then(prepare)
      .catch((error) => {
        index = undefined; // the next letter tries again
        throw error;
      }));

  const choose = (n) => {
    const options = list.querySelectorAll("[role=option]");
    if (options.length === 0) return;
    chosen = (n + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", i === chosen));
    options[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[chosen].id);
  };
  const close = () => {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", false);
    input.removeAttribute("aria-activedescendant");
  };
  const open = (items, query) => {
    close();
    list.dataset.query = query;
    list.replaceChildren(...items);
    list.hidden = false;
    input.setAttribute("aria-expanded", true);
  };
  const say = (text, query) => {
    const item = document.createElement("li");
    item.className = "nothing";
    item.textContent = text;
    open([item], query);
    status.textContent = text;
  };

  const look = async () => {
    const query = input.value.trim();
    const turn = ++asked;
    if (query === "") {
      status.textContent = "";
      return close();
    }
    let sections;
    try {
      sections = await load();
    } catch {
      if (turn === asked) say("The index could not be loaded.", query);
      return;
    }
    if (turn !== asked) return; // another letter came meanwhile
    const results = rank(sections, query);
    if (results.length === 0) return say(`Nothing is found for ${query}.`, query);
    open(results.map((section, i) => option(section, query, i)), query);
    status.textContent = results.length === 1 ? "1 section" : `${results.length} sections`;
    choose(0);
  };

  const option = (section, query, i) => {
    const item = document.createElement("li");
    item.id = `result-${i}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", false);
    const link = document.createElement("a");
    link.href = `${up}${section.p}${section.i ? `#${section.i}` : ""}`;
    link.tabIndex = -1;
    link.append(section.h ? `${section.t} › ${section.h}` : section.t);
    const words = document.createElement("span");
    words.className = "excerpt";
    for (const [text, isFound] of excerpt(section, query)) {
      const part = isFound ? document.createElement("mark") : document.createTextNode("");
      part.textContent = text;
      words.append(part);
    }
    link.append(words);
    item.append(link);
    return item;
  };

  input.addEventListener("focus", () => load().catch(() => {}), { once: true });
  input.addEventListener("input", look);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (list.hidden) input.blur();
      close();
      event.preventDefault(); // which else empties the field
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      if (list.hidden) look();
      else choose(chosen + (event.key === "ArrowDown" ? 1 : -1));
      event.preventDefault();
    } else if (event.key === "Enter" && chosen >= 0) {
      list.querySelectorAll("a")[chosen].click();
      close();
    }
  });
  search.addEventListener("focusout", (event) => {
    if (!search.contains(event.relatedTarget)) close();
  });
  list.addEventListener("mousedown", (event) => event.preventDefault()); // the field keeps the focus until the click
  list.addEventListener("click", close);
  addEventListener("keydown", (event) => {
    const typing = event.target.closest?.("input, textarea, [contenteditable]");
    if ((event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) || (event.key === "k" && (event.ctrlKey || event.metaKey))) {
      input.focus();
      input.select();
      event.preventDefault();
    }
  });
}
