// The shell: the bar, the pages by their addresses, the theme, and the jobs that run.

import { begin, send, session } from "./api.js";
import { dialog, fill, h, say, state } from "./dom.js";
import { watchJobs, jobsPage } from "./jobs.js";
import { listen, setKeys, showKeys } from "./keys.js";
import { casesPage } from "./cases.js";
import { casePage } from "./case.js";
import { comparePage } from "./compare.js";
import { newPage } from "./new_patient.js";
import { readersPage, readPage } from "./readers.js";
import { resultsPage } from "./results.js";

const pages = [
  [/^\/?$/, casesPage],
  [/^\/case\/([^/]+)$/, casePage],
  [/^\/compare\/([^/]+)\/([^/]+)$/, comparePage],
  [/^\/results$/, resultsPage],
  [/^\/readers$/, readersPage],
  [/^\/read\/(\d+)$/, readPage],
  [/^\/new$/, newPage],
  [/^\/jobs$/, jobsPage],
];
const content = document.getElementById("content");
let leave = () => {};

export const go = (address) => { location.hash = address; };

async function show() {
  leave();
  leave = () => {};
  setKeys([]);
  const address = decodeURIComponent(location.hash.replace(/^#/, ""));
  const [found, page] = pages.map(([pattern, one]) => [address.match(pattern), one]).find(([match]) => match) ?? [];
  content.className = "";
  if (!found) { fill(content, state("failed", "There is no such page.", h("a", { href: "#/" }, "All cases"))); return; }
  fill(content, state("loading", "Loading …"));
  markPlace(address);
  try {
    leave = (await page(content, ...found.slice(1))) ?? (() => {});
  } catch (error) {
    if (error.name === "AbortError") return;
    console.error(error);
    fill(content, state("failed", error.message, h("button", { onclick: show }, "Try again")));
  }
}

function markPlace(address) {
  for (const link of document.querySelectorAll("#bar nav a")) {
    const own = link.getAttribute("href").slice(1);
    const here = own === "/" ? address === "" || address === "/" || address.startsWith("/case") || address.startsWith("/compare")
      : address.startsWith(own) || (own === "/readers" && address.startsWith("/read/"));
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
}

export function askName() {
  const name = h("input", { name: "person", value: session.person, maxlength: "80", required: true, autocomplete: "name" });
  const form = h("form", { method: "dialog" },
    h("p", {}, "Your name or initials are saved beside everything that you change."),
    h("label", {}, "Name or initials ", name));
  const save = async () => {
    if (!name.value.trim()) { name.focus(); return; }
    try {
      session.person = (await send("PUT", "/api/session", { person: name.value })).person;
      box.close();
      drawBar();
    } catch (error) { say(error.message, "error"); }
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); save(); });
  const box = dialog("Who works here?", form, [h("button", { type: "button", class: "first", onclick: save }, "Save")]);
  name.focus();
  return new Promise((resolve) => box.addEventListener("close", () => resolve(Boolean(session.person))));
}

function theme(next) {
  const root = document.documentElement;
  const chosen = next ?? localStorage.getItem("espark-theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.theme = chosen;
  localStorage.setItem("espark-theme", chosen);
  document.dispatchEvent(new CustomEvent("theme"));
}
const otherTheme = () => { theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"); drawBar(); };

const bar = { title: "", notices: [], jobs: [] };
export function setStudy(title, notices) {
  bar.title = title;
  bar.notices = notices;
  document.title = `${title} – espark workbench`;
  drawBar();
}

function drawBar() {
  const open = bar.jobs.filter((job) => ["running", "waiting"].includes(job.state)).length;
  const dark = document.documentElement.dataset.theme === "dark";
  fill(document.getElementById("bar"),
    h("span", { class: "brand" }, h("b", {}, "espark"), h("span", { class: "study", title: bar.title }, bar.title)),
    h("nav", { "aria-label": "Pages" },
      h("a", { href: "#/" }, "Cases"), h("a", { href: "#/results" }, "Results"), h("a", { href: "#/readers" }, "Reader study"),
      h("a", { href: "#/new" }, "New patient"), h("a", { href: "#/jobs" }, "Jobs", open ? h("span", { class: "count" }, `${open}`) : null)),
    h("span", { class: "notices" }, bar.notices.map((notice) => h("b", {}, notice))),
    h("span", { class: "tools" },
      h("button", { onclick: askName, title: "Who works here" }, session.person || "Your name"),
      h("button", { onclick: otherTheme, "aria-label": dark ? "Light mode" : "Dark reading-room mode" }, dark ? "☀" : "☾"),
      h("button", { onclick: showKeys, "aria-label": "Show the keys" }, "?")));
  markPlace(decodeURIComponent(location.hash.replace(/^#/, "")));
}

async function start() {
  // OpenSeadragon would write a style for touch screens into the page, which the page's policy refuses; case.css has it.
  document.head.append(h("style", { "data-openseadragon-mobile-css": "true" }));
  theme();
  try {
    await begin();
  } catch (error) {
    fill(content, state("failed", error.message));
    return;
  }
  drawBar();
  watchJobs((jobs) => { bar.jobs = jobs; drawBar(); });
  listen({ "g c": () => go("/"), "g r": () => go("/results"), "g n": () => go("/new"), "g j": () => go("/jobs"), d: otherTheme });
  addEventListener("hashchange", show);
  show();
}

start();
