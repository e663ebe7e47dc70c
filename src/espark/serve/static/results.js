// The results of the study: figures first, the table behind them.

import { getJson } from "./api.js";
import { dialog, fill, h, state } from "./dom.js";

export async function resultsPage(content) {
  const found = await getJson("/api/results");
  if (!found.sections.length) { fill(content, h("section", { class: "page" }, h("h1", {}, "Results"), state("empty", "The study is not evaluated yet. Run `espark evaluate`."))); return; }
  const order = ["Discrimination", "Calibration", "Decision curves"];
  const place = (section) => (order.indexOf(section.title) + 1 || order.length + 1);
  const sections = found.sections.map((section, number) => ({ ...section, number })).sort((a, b) => place(a) - place(b));
  const show = (address, figure) => dialog(figure.caption, h("figure", { class: "paper" }, h("img", { src: address, alt: figure.alt }))).classList.add("wide");
  fill(content, h("section", { class: "page" }, h("h1", {}, "Results"),
    h("nav", { class: "contents", "aria-label": "Sections" }, sections.map((section) => h("button", { class: "link", onclick: () => document.getElementById(`s${section.number}`).scrollIntoView() }, section.title))),
    sections.map((section) => h("section", { id: `s${section.number}` }, h("h2", {}, section.title), h("p", {}, section.text), h("div", { class: "figures" }, section.figures.map((figure, number) => {
      const address = `/api/results/${section.number}/${number}.svg`;
      return h("figure", { class: `paper ${figure.wide ? "wide" : ""}` }, h("button", { class: "enlarge", "aria-label": `Enlarge: ${figure.caption}`, onclick: () => show(address, figure) }, h("img", { src: address, alt: figure.alt, loading: "lazy" })), h("figcaption", {}, figure.caption));
    })))),
    found.table ? h("details", {}, h("summary", {}, found.table.title), h("div", { class: "scroll" }, h("table", { class: "list" }, h("caption", {}, found.table.note),
      h("thead", {}, h("tr", {}, found.table.columns.map((one) => h("th", { scope: "col" }, one)))), h("tbody", {}, found.table.rows.map((row) => h("tr", {}, row.map((cell) => h("td", {}, cell)))))))) : null));
}
