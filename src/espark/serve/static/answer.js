// The answer with its uncertainty, and what carried it, in the words of the reports.

import { fill, h, percent, state, svg } from "./dom.js";

/** The card with the answer. */
export function answerCard(answer, of = "") {
  if (answer.blinded) return state("blinded", "The answer is shown after your own probability.");
  if (answer.none) return state("empty", answer.none);
  const dashed = answer.withheld ? " withheld" : "";
  return h("section", { class: `card ${answer.kind}${dashed}`, "aria-label": `Answer of ${answer.model}${of}` },
    h("p", { class: "question" }, `${answer.model} · ${answer.outcome}? · ${answer.modality}`),
    h("div", { class: "verdict" },
      h("p", { class: "headline" }, h("span", { "aria-hidden": "true" }, `${answer.mark} `), answer.headline),
      answer.withheld ? null : h("p", { class: "number" }, h("b", {}, percent(answer.probability)), h("small", {}, `probability of ${answer.outcome}`))),
    answer.withheld ? null : probabilityBar(answer),
    h("p", { class: "meaning" }, answer.sentence),
    answer.caveat ? h("p", { class: "caveat" }, answer.caveat) : null,
    answer.reasons.length ? h("div", { class: "box outside", role: "note" }, h("h2", {}, answer.withheld ? "Why it is withheld" : "Outside what the model knows"), list(answer.reasons)) : null,
    answer.out_of_fold ? h("p", { class: "fine" }, "Out of fold: the answer comes from the model that did not see this patient in training.") : null);
}

const list = (items, cls = "notes") => (items.length ? h("ul", { class: cls }, items.map((item) => h("li", {}, item))) : null);

/** Each model's probability, their mean, and the threshold, on a line from 0 to 100 %. */
export function probabilityBar(answer) {
  const [width, x] = [320, (value) => 10 + 300 * value];
  const drawn = svg("svg", { viewBox: `0 0 ${width} 58`, class: "bar", role: "img",
    "aria-label": `Probability ${percent(answer.probability)}, ${answer.members.length} models from ${percent(Math.min(...answer.members))} to ${percent(Math.max(...answer.members))}, threshold ${percent(answer.threshold)}` });
  const put = (tag, attributes, text) => { const one = svg(tag, attributes); if (text) one.textContent = text; drawn.append(one); };
  put("rect", { x: x(0), y: 16, width: x(answer.threshold) - x(0), height: 18, class: "below" });
  put("rect", { x: x(answer.threshold), y: 16, width: x(1) - x(answer.threshold), height: 18, class: "above" });
  if (answer.members.length > 1) put("rect", { x: x(Math.min(...answer.members)), y: 21, width: x(Math.max(...answer.members)) - x(Math.min(...answer.members)), height: 8, class: "spread" });
  for (const member of answer.members) put("circle", { cx: x(member), cy: 25, r: 3.4, class: "member" });
  put("line", { x1: x(answer.probability), x2: x(answer.probability), y1: 12, y2: 38, class: "mean" });
  put("line", { x1: x(answer.threshold), x2: x(answer.threshold), y1: 12, y2: 38, class: "threshold" });
  put("text", { x: x(answer.threshold), y: 9, "text-anchor": "middle" }, `threshold ${percent(answer.threshold)}`);
  for (const tick of [0, 0.25, 0.5, 0.75, 1]) put("text", { x: x(tick), y: 51, "text-anchor": tick === 0 ? "start" : tick === 1 ? "end" : "middle" }, percent(tick));
  return drawn;
}

/** What carried the answer; `go` jumps to where something is seen. */
export function reasonsPanel(reasons, go) {
  if (reasons.blinded || reasons.none) return null;
  if (reasons.withheld) return state("withheld", "What carried the answer is not shown, because the answer itself is withheld.");
  return h("div", { class: "reasons" },
    h("section", {}, h("h2", {}, "In a few sentences"), list(reasons.summary)),
    reasons.ct_effects.length ? h("section", {}, h("h2", {}, "What the CT added"), effects(reasons.ct_effects, go)) : null,
    reasons.features.length ? h("details", {}, h("summary", {}, "The CT features that added most"), features(reasons.features, go)) : null,
    reasons.cell_types.length ? h("section", {}, h("h2", {}, "Cell types where the model looked"), cellTypes(reasons.cell_types, go)) : null,
    reasons.unreliable_cells.length ? h("section", {}, h("h2", {}, "Cell types and biomarkers"), list(["They are not shown, because they are not reliable on these slides.", ...reasons.unreliable_cells])) : null,
    reasons.biomarkers.length ? h("section", {}, h("h2", {}, "Biomarkers of the tissue"), h("dl", { class: "markers" }, reasons.biomarkers.flatMap((one) => [
      h("dt", {}, one.name), h("dd", {}, h("b", {}, one.value.toPrecision(3)), one.percentile === null ? "" : `, higher than in ${Math.round(one.percentile)} % of ${one.n} development patients`, h("small", {}, one.definition))]))) : null,
    list(reasons.notes, "fine"));
}

function effectBar(value, most) {
  const share = Math.min(1, Math.abs(value) / most);
  return svg("svg", { viewBox: "0 0 80 12", class: "effect", "aria-hidden": "true" },
    svg("line", { x1: 40, x2: 40, y1: 0, y2: 12 }),
    svg("rect", { x: value < 0 ? 40 - 38 * share : 40, y: 2, width: 38 * share, height: 8, class: value < 0 ? "against" : "for" }));
}
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

function effects(rows, go) {
  const most = Math.max(...rows.map((row) => Math.abs(row.log_odds)), 0.01);
  return h("table", { class: "effects" },
    h("caption", {}, "Log-odds, compared with the mean development patient"),
    h("tbody", {}, rows.map((row) => {
      const region = row.name.split(":")[0].toLowerCase();
      return h("tr", { class: row.name.endsWith("all features") ? "whole" : "" },
        h("th", { scope: "row" }, go.region ? h("button", { class: "link", title: `Show the ${region}`, onclick: () => go.region(region) }, row.name) : row.name,
          row.meaning ? h("small", {}, row.meaning) : null),
        h("td", {}, effectBar(row.log_odds, most)), h("td", { class: "num" }, signed(row.log_odds)),
        h("td", { class: "muted num", title: "Models that give it the same sign" }, row.models > 1 ? `${row.agreeing}/${row.models}` : ""));
    })));
}

function features(rows, go) {
  const most = Math.max(...rows.map((row) => Math.abs(row.log_odds)), 0.01);
  return h("table", { class: "effects" }, h("tbody", {}, rows.map((row) => h("tr", {},
    h("th", { scope: "row" }, h("button", { class: "link", onclick: () => go.region(row.scale.toLowerCase()) }, `${row.scale}: ${row.feature.replaceAll("_", " ")}`),
      h("small", {}, `${row.meaning}${row.sd === null ? "" : `; ${signed(row.sd)} SD`}`)),
    h("td", {}, effectBar(row.log_odds, most)), h("td", { class: "num" }, signed(row.log_odds))))));
}

function cellTypes(rows, go) {
  const groups = [...new Set(rows.map((row) => row.group))];
  return h("table", { class: "cells" }, groups.map((group) => h("tbody", {},
    h("tr", {}, h("th", { colspan: "3", scope: "rowgroup", class: "group" }, group)),
    rows.filter((row) => row.group === group).map((row) => h("tr", {},
      h("th", { scope: "row" }, h("button", { class: "link", title: "Show these tiles", onclick: () => go.cell?.(row.name) }, row.name)),
      h("td", {}, svg("svg", { viewBox: "0 0 80 10", class: "share", "aria-hidden": "true" }, svg("rect", { x: 0, y: 1, width: 80, height: 8, class: "all" }), svg("rect", { x: 0, y: 1, width: 80 * row.share, height: 8 }))),
      h("td", { class: "num" }, percent(row.share), row.percentile === null ? null : h("small", {}, rankWord(row.percentile))))))));
}
const rankWord = (percentile) => (percentile <= 10 ? "low" : percentile >= 90 ? "high" : "");

/** Two answers side by side. */
export function beforeAndAfter(result) {
  const side = (title, one) => h("div", {}, h("h3", {}, title), answerCard(one.answer, `, ${title}`),
    h("table", { class: "plain" }, h("tbody", {}, Object.entries(one.regions).map(([scale, facts]) =>
      h("tr", {}, h("th", { scope: "row" }, scale), h("td", { class: "num" }, `${facts.volume_ml.toFixed(1)} ml`), h("td", { class: "num" }, `${facts.length_mm.toFixed(0)} mm`))),
      h("tr", {}, h("th", { scope: "row" }, "tiles"), h("td", { class: "num" }, `${one.tiles}`), h("td", {})))),
    one.reasons.ct_effects ? effects(one.reasons.ct_effects.filter((row) => row.name.endsWith("all features")), {}) : null);
  const [a, b] = [result.before.answer, result.after.answer];
  const change = a.withheld || b.withheld ? "One of the answers is withheld." :
    `The probability changes from ${percent(a.probability)} to ${percent(b.probability)} (${b.probability >= a.probability ? "+" : "−"}${(100 * Math.abs(b.probability - a.probability)).toFixed(1)} points).`;
  return h("div", {}, h("p", { class: "change" }, change), h("div", { class: "sides" }, side("Before: as prepared", result.before), side(`After: version ${result.version}`, result.after)));
}

export async function load(place, wait, show) {
  fill(place, state("loading", "Loading …"));
  try {
    fill(place, show(await wait));
  } catch (error) {
    if (error.name !== "AbortError") fill(place, state("failed", error.message));
  }
}
