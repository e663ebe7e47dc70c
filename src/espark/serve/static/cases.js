// All cases in a table: search, filters, keys.

import { caseAddress, getJson } from "./api.js";
import { fill, h, percent, state } from "./dom.js";
import { setKeys } from "./keys.js";
import { go, setStudy } from "./main.js";

const kept = { search: "", filters: {}, sort: "", chosen: "", marked: [] };

const columns = [
  { key: "center", title: "Center", of: (row) => row.center },
  { key: "cohort", title: "Cohort", of: (row) => row.cohort },
  { key: "known", title: "Outcome", of: (row) => row.known ?? "not known" },
  { key: "answer", title: "Answer", of: (row) => answerWord(row) },
  { key: "doubts", title: "Doubts", of: (row) => (row.failed.length ? "failed image" : row.doubts ? "doubts" : "none") },
  { key: "work", title: "Work", of: (row) => row.work },
];

function answerWord(row) {
  if (row.pending) return "being computed";
  if (!row.answer) return "none";
  return row.answer.withheld ? "withheld" : row.answer.headline;
}

export async function casesPage(content) {
  let study = await getJson("/api/study");
  setStudy(study.title, study.notices);
  let timer = null;
  const body = h("tbody", {});
  const count = h("p", { class: "muted", role: "status" });
  const search = h("input", { type: "search", placeholder: "Search id, center, answer …", "aria-label": "Search cases", value: kept.search,
    oninput: () => { kept.search = search.value; draw(); } });
  const filters = h("div", { class: "filters" });
  const compare = h("button", { disabled: true, onclick: () => go(`/compare/${kept.marked.map(encodeURIComponent).join("/")}`) }, "Compare two cases");
  const head = h("thead", {});
  fill(content,
    h("section", { class: "page cases" },
      h("div", { class: "head" }, h("h1", {}, "Cases"), count),
      h("div", { class: "controls" }, search, filters, compare, study.contact_sheet ? h("a", { href: "/api/contact-sheet", target: "_blank" }, "Contact sheet of the images") : null),
      study.cases.length ? h("div", { class: "scroll" }, h("table", { class: "list" }, head, body)) : state("empty", "This study has no patients.")));

  const sorters = {
    id: (row) => row.id, center: (row) => row.center, cohort: (row) => row.cohort, known: (row) => row.known ?? "~",
    answer: (row) => answerWord(row), probability: (row) => -(row.answer?.probability ?? -1), work: (row) => row.work,
  };
  function heading(key, text, cls = "") {
    const active = kept.sort.replace("-", "") === key;
    const down = kept.sort.startsWith("-");
    return h("th", { scope: "col", class: cls, "aria-sort": active ? (down ? "descending" : "ascending") : null },
      h("button", { onclick: () => { kept.sort = active && !down ? `-${key}` : key; draw(); } }, text));
  }
  function drawFilters() {
    fill(filters, columns.map((column) => {
      const values = [...new Set(study.cases.map(column.of))].sort();
      const chosen = kept.filters[column.key] ?? "";
      return values.length < 2 && !chosen ? null : h("label", {}, column.title, " ",
        h("select", { onchange: (event) => { kept.filters[column.key] = event.target.value; draw(); } },
          h("option", { value: "" }, "all"),
          values.map((value) => h("option", { value, selected: value === chosen },
            `${value} (${study.cases.filter((row) => column.of(row) === value).length})`))));
    }));
  }
  function rows() {
    const wanted = kept.search.trim().toLowerCase();
    const found = study.cases.filter((row) =>
      columns.every((column) => !kept.filters[column.key] || column.of(row) === kept.filters[column.key]) &&
      (!wanted || [row.id, ...columns.map((column) => column.of(row))].join(" ").toLowerCase().includes(wanted)));
    if (kept.sort) {
      const key = sorters[kept.sort.replace("-", "")];
      const sign = kept.sort.startsWith("-") ? -1 : 1;
      found.sort((a, b) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
    }
    return found;
  }
  function picture(row, kind) {
    return row.thumbnails.includes(kind)
      ? h("img", { src: caseAddress(row.id, `/thumbnails/${kind}`), alt: "", loading: "lazy" })
      : h("span", { class: "no-picture" }, row.images.includes(kind === "ct" ? "CT" : "slides") ? "…" : "–");
  }
  function draw() {
    drawFilters();
    const found = rows();
    if (!found.some((row) => row.id === kept.chosen)) kept.chosen = found[0]?.id ?? "";
    count.textContent = `${found.length} of ${study.cases.length} patients${study.model ? ` · answers of ${study.model}` : " · no model is trained yet"}`;
    fill(head, h("tr", {}, h("th", {}, h("span", { class: "hidden" }, "Compare")), h("th", { scope: "col" }, "CT"), h("th", { scope: "col" }, "Slide"),
      heading("id", "Patient"), heading("center", "Center"), heading("cohort", "Cohort"), heading("known", "Outcome"), heading("answer", "Answer"),
      heading("probability", `Probability of ${study.outcome.name}`, "num"), h("th", { scope: "col" }, "To look at"), heading("work", "Work")));
    fill(body, found.length ? found.map(line) : h("tr", {}, h("td", { colspan: "11" }, state("empty", "No case fits the search and the filters.",
      h("button", { onclick: () => { kept.search = search.value = ""; kept.filters = {}; draw(); } }, "Show all cases")))));
    compare.disabled = kept.marked.length !== 2;
  }
  function line(row) {
    const mark = h("input", { type: "checkbox", "aria-label": `Compare ${row.id}`, checked: kept.marked.includes(row.id), onchange: () => {
      kept.marked = mark.checked ? [...kept.marked, row.id].slice(-2) : kept.marked.filter((id) => id !== row.id);
      draw();
    } });
    const open = () => go(`/case/${encodeURIComponent(row.id)}`);
    return h("tr", { class: row.id === kept.chosen ? "chosen" : "", ondblclick: open, onclick: () => { kept.chosen = row.id; markChosen(); }, "data-id": row.id },
      h("td", {}, mark), h("td", { class: "picture" }, picture(row, "ct")), h("td", { class: "picture" }, picture(row, "slide")),
      h("th", { scope: "row" }, h("a", { href: `#/case/${encodeURIComponent(row.id)}` }, row.id)),
      h("td", {}, row.center), h("td", {}, row.cohort), h("td", {}, row.known ?? h("span", { class: "muted" }, "not known")),
      answerCell(row), h("td", { class: "num" }, probability(row)), lookAt(row), h("td", {}, workWord(row)));
  }
  function answerCell(row) {
    const answer = row.answer;
    if (!answer) return h("td", { class: "muted" }, row.pending ? "being computed …" : "none");
    if (answer.withheld) return h("td", {}, h("span", { class: "tag withheld" }, "○ withheld"));
    return h("td", {}, h("span", { class: `tag ${answer.kind}` }, `${answer.mark} ${answer.headline}`));
  }
  const probability = (row) => (row.answer && !row.answer.withheld ? percent(row.answer.probability) : "");
  function lookAt(row) {
    if (row.failed.length) return h("td", {}, h("span", { class: "tag failed", title: row.failed.join(" ") }, "✗ failed image"));
    return h("td", {}, row.doubts ? h("span", { class: "tag doubt" }, `! ${row.doubts} ${row.doubts === 1 ? "doubt" : "doubts"}`) : "");
  }
  const workWord = (row) => h("span", { class: `work ${row.work.replace(" ", "-")}` }, row.work);
  function markChosen() {
    for (const one of body.children) one.classList.toggle("chosen", one.dataset.id === kept.chosen);
    body.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  }
  function move(step) {
    const found = rows();
    const place = found.findIndex((row) => row.id === kept.chosen);
    kept.chosen = found[Math.max(0, Math.min(found.length - 1, place + step))]?.id ?? "";
    markChosen();
  }
  async function refresh() {
    const waiting = study.cases.some((row) => row.pending || ["running", "waiting"].includes(row.work) || row.thumbnails.length < row.images.length);
    if (waiting && !document.hidden) {
      study = await getJson("/api/study");
      draw();
    }
    timer = setTimeout(() => refresh().catch(() => {}), 4000);
  }
  setKeys([
    { key: "/", text: "Search", run: () => search.focus() },
    { key: "ArrowDown", shown: ["↓", "j"], text: "Next case", run: () => move(1) }, { key: "j", run: () => move(1) },
    { key: "ArrowUp", shown: ["↑", "k"], text: "Previous case", run: () => move(-1) }, { key: "k", run: () => move(-1) },
    { key: "Enter", text: "Open the case", run: () => kept.chosen && go(`/case/${encodeURIComponent(kept.chosen)}`) },
    { key: "x", text: "Mark the case, to compare two", run: () => body.querySelector(".chosen input")?.click() },
    { key: "c", text: "Compare the two marked cases", run: () => compare.click() },
  ]);
  search.addEventListener("keydown", (event) => { if (event.key === "Escape" || event.key === "Enter") search.blur(); });
  draw();
  timer = setTimeout(() => refresh().catch(() => {}), 3000);
  return () => clearTimeout(timer);
}
