// Keys: each page says which it knows; `?` shows them.

import { dialog, h } from "./dom.js";

const common = [
  { keys: ["?"], text: "Show the keys" },
  { keys: ["g", "c"], text: "Cases", sequence: true },
  { keys: ["g", "r"], text: "Results", sequence: true },
  { keys: ["g", "n"], text: "New patient", sequence: true },
  { keys: ["g", "j"], text: "Jobs", sequence: true },
  { keys: ["d"], text: "Light or dark" },
];
let own = [];

/** The keys of the page that is shown: [{key, text, run, shown}]. */
export function setKeys(keys) {
  own = keys;
}

function isTyping(event) {
  const where = event.target;
  return where.closest?.("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, dialog") !== null;
}

export function showKeys() {
  const row = (keys, text) => h("tr", {}, h("td", {}, keys.map((key) => h("kbd", {}, key))), h("td", {}, text));
  const shared = common.map((one) => row(one.keys, one.text));
  const page = own.filter((one) => one.text).map((one) => row(one.shown ?? [one.key], one.text));
  dialog("Keys", h("div", { class: "keys" },
    page.length ? h("table", {}, h("caption", {}, "On this page"), h("tbody", {}, page)) : null,
    h("table", {}, h("caption", {}, "Everywhere"), h("tbody", {}, shared))));
}

export function listen(everywhere) {
  let before = "";
  document.addEventListener("keydown", (event) => {
    if (isTyping(event) || event.altKey) return;
    const combined = (event.ctrlKey || event.metaKey ? "Ctrl+" : "") + event.key;
    if (event.key === "?") { showKeys(); event.preventDefault(); return; }
    if (before === "g" && everywhere[`g ${event.key}`]) { everywhere[`g ${event.key}`](); before = ""; return; }
    before = event.key;
    const found = own.find((one) => one.key === combined) ?? (everywhere[combined] ? { run: everywhere[combined] } : null);
    if (found) { found.run(event); event.preventDefault(); }
  });
}
