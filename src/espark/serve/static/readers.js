// A reader study: the own probability first, then the model's answer, then the own probability again.

import { caseAddress, getJson, send, session } from "./api.js";
import { answerCard, load } from "./answer.js";
import { casePage } from "./case.js";
import { fill, h, say, state } from "./dom.js";
import { go } from "./main.js";

const estimate = (one) => (one ? `${one.value.toFixed(2)}${one.low === null ? "" : ` (${one.low.toFixed(2)} to ${one.high.toFixed(2)})`}` : "–");

export async function readersPage(content) {
  const [study, lists] = await Promise.all([getJson("/api/study"), getJson("/api/readings")]);
  const known = study.cases.filter((row) => row.role !== "new");
  const cohorts = [...new Set(known.map((row) => row.cohort))];
  const reader = h("input", { required: true, maxlength: "80", value: session.person });
  const cohort = h("select", {}, cohorts.map((one) => h("option", { value: one, selected: one !== "development" }, one)));
  const count = h("input", { type: "number", min: "1", max: String(known.length), value: "10", required: true });
  const seed = h("input", { type: "number", min: "0", value: "1000", required: true });
  const form = h("form", { class: "new" }, h("label", {}, "Reader ", reader), h("label", {}, "Cases of the cohort ", cohort), h("label", {}, "Number of cases ", count),
    h("label", {}, "Seed of the order ", seed, h("small", {}, "Another reader gets another order by another seed.")), h("p", {}, h("button", { class: "first" }, "Begin to read")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const cases = known.filter((row) => row.cohort === cohort.value).slice(0, Number(count.value)).map((row) => row.id);
    try {
      const { id } = await send("POST", "/api/readings", { reader: reader.value, cases, seed: Number(seed.value) });
      go(`/read/${id}`);
    } catch (error) { say(error.message, "error"); }
  });
  fill(content, h("section", { class: "page" }, h("h1", {}, "Reader study"),
    h("p", {}, "A reader looks at each case without the outcome and without the answer, gives an own probability, sees the answer, and gives a probability again. Times are kept. The table is written for multi-reader analysis."),
    h("div", { class: "two" }, h("div", {}, h("h2", {}, "A new list"), form),
      h("div", {}, h("h2", {}, "Lists"), lists.length ? [h("table", { class: "list" },
        h("thead", {}, h("tr", {}, ["Reader", "Read", "AUC before", "AUC after", "Difference", "State"].map((one) => h("th", { scope: "col" }, one)))),
        h("tbody", {}, lists.map((one) => h("tr", {}, h("th", { scope: "row" }, one.reader), h("td", { class: "num" }, `${one.read} of ${one.total}`), h("td", { class: "num" }, estimate(one.before)),
          h("td", { class: "num" }, estimate(one.after)), h("td", { class: "num" }, estimate(one.difference)), h("td", {}, one.read < one.total ? h("a", { href: `#/read/${one.id}` }, "Go on") : "done"))))),
      h("p", { class: "fine" }, "AUC with its 95 % interval (DeLong) over the cases that were read twice and whose outcome is known."),
      h("p", {}, h("a", { href: "/api/readings/export.csv", download: "readings.csv", class: "button" }, "Export as CSV"))] : state("empty", "Nobody has read yet.")))));
}

export async function readPage(content, id) {
  const reading = await getJson(`/api/readings/${id}`);
  if (reading.done) {
    fill(content, h("section", { class: "page" }, state("empty", "All cases of this list are read. Thank you.", h("a", { href: "#/readers" }, "Results"))));
    return () => {};
  }
  const began = performance.now();
  const side = h("aside", { class: "panel reading", "aria-label": "Your reading" });
  const value = h("output", {}, "50 %");
  const slider = h("input", { type: "range", min: "0", max: "100", step: "1", value: String(Math.round(100 * (reading.before ?? 0.5))), "aria-label": "Your probability in percent", oninput: () => { value.textContent = `${slider.value} %`; next.disabled = false; } });
  value.textContent = `${slider.value} %`;
  const second = reading.before !== null;
  const next = h("button", { class: "first", disabled: !second, onclick: give }, second ? "Keep, and next case" : "Keep, and show the answer");
  const answer = h("div", {});
  fill(side, h("p", { class: "eyebrow" }, `${reading.reader} · case ${reading.position + 1} of ${reading.total}`), h("h2", {}, second ? "Your probability after the answer" : "Your probability"),
    second ? h("p", {}, `Before the answer you gave ${Math.round(100 * reading.before)} %.`) : h("p", {}, "How likely is a complete response? The answer of the model is shown afterwards. The first probability cannot be changed."),
    h("div", { class: "slider" }, h("span", {}, "0 %"), slider, h("span", {}, "100 %")), h("p", { class: "given-value" }, value), h("p", {}, next), answer,
    h("p", {}, h("button", { onclick: async () => { await send("POST", `/api/readings/${id}/leave`); go("/readers"); } }, "Stop for now")));
  async function give() {
    next.disabled = true;
    try {
      await send("POST", `/api/readings/${id}/${second ? "after" : "before"}`, { position: reading.position, probability: Number(slider.value) / 100, seconds: (performance.now() - began) / 1000 });
      dispatchEvent(new HashChangeEvent("hashchange"));
    } catch (error) { say(error.message, "error"); }
  }
  const leave = await casePage(content, reading.case, { blinded: true, side });
  content.querySelector("h1").textContent = `Case ${reading.position + 1}`;
  if (second) load(answer, getJson(caseAddress(reading.case, "/answer")), (one) => answerCard(one));
  return leave;
}
