// Two cases side by side: answer, reasons, CT and slide of each.

import { caseAddress, getJson } from "./api.js";
import { answerCard, load, reasonsPanel } from "./answer.js";
import { CtView } from "./ct_view.js";
import { fill, h, state } from "./dom.js";
import { setKeys } from "./keys.js";
import { slidePanel } from "./slide_panel.js";
import { Volume } from "./volume.js";

export async function comparePage(content, first, second) {
  const stop = new AbortController();
  const found = await Promise.all([first, second].map((id) => getJson(caseAddress(id), stop.signal)));
  const parts = [];
  content.className = "full";
  fill(content, h("div", { class: "compare" }, found.map((one) => column(one, stop.signal, parts))));
  setKeys([{ key: "ArrowUp", shown: ["↑"], text: "Next slice in both", run: () => parts.forEach((part) => part.view?.step(1)) },
    { key: "ArrowDown", shown: ["↓"], text: "Previous slice in both", run: () => parts.forEach((part) => part.view?.step(-1)) },
    { key: "m", text: "Masks: outline, fill, nothing", run: () => parts.forEach((part) => part.view?.nextMasks()) }]);
  return () => { stop.abort(); for (const part of parts) part.dispose(); };
}

function column(found, signal, parts) {
  const ct = h("div", { class: "ct" }, found.has_ct ? state("loading", "Loading the CT …") : state("empty", "This patient has no CT."));
  const answer = h("div", {});
  const reasons = h("div", {});
  const part = { view: null, dispose: () => part.view?.dispose() };
  const slide = slidePanel(found, signal);
  parts.push(part, { dispose: slide.dispose });
  const open = async () => {
    const volume = await Volume.open(found.id, found.versions.length ? found.newest : null, signal);
    part.view = new CtView(volume);
    fill(ct, part.view.element);
    await volume.load(part.view.cursor[2], () => part.view.draw(), signal);
  };
  if (found.has_ct) open().catch((error) => { if (error.name !== "AbortError") fill(ct, state("failed", error.message)); });
  load(answer, getJson(caseAddress(found.id, "/answer"), signal), (one) => answerCard(one, ` for ${found.id}`));
  load(reasons, getJson(caseAddress(found.id, "/reasons"), signal), (one) => reasonsPanel(one, { cell: (name) => slide.showLayer(name) }) ?? "");
  return h("section", { class: "half", "aria-label": `Patient ${found.id}` },
    h("div", { class: "case-head" }, h("h1", {}, h("a", { href: `#/case/${encodeURIComponent(found.id)}` }, found.id)), h("span", { class: "facts" }, h("span", {}, found.role), found.known === null ? null : h("span", {}, `known outcome: ${found.known}`))),
    answer, ct, slide.element, reasons);
}
