// One case: CT, slide, answer; correcting and running again.

import { caseAddress, getJson, send, session } from "./api.js";
import { answerCard, beforeAndAfter, load, reasonsPanel } from "./answer.js";
import { CtView, WINDOWS } from "./ct_view.js";
import { dialog, fill, h, say, state } from "./dom.js";
import { latestJob, onJobs } from "./jobs.js";
import { setKeys } from "./keys.js";
import { askName } from "./main.js";
import { slidePanel } from "./slide_panel.js";
import { Volume } from "./volume.js";

const kept = { layout: "" };

export async function casePage(content, id, { blinded = false, side = null } = {}) {
  const stop = new AbortController();
  const found = await getJson(caseAddress(id), stop.signal);
  content.className = "full";
  if (!kept.layout) kept.layout = innerWidth >= 1500 ? "both" : "ct";
  const parts = { ct: null, slide: null };
  const images = h("div", { class: `images only-${kept.layout}` });
  const panel = h("aside", { class: "panel", "aria-label": "Answer and reasons" });
  const layouts = h("span", { class: "segments", role: "group", "aria-label": "What is shown" },
    [["ct", "CT"], ["slide", "Slide"], ["both", "Side by side"]].map(([key, text]) =>
      h("button", { "aria-pressed": String(kept.layout === key), "data-key": key, onclick: () => setLayout(key) }, text)));
  function setLayout(key) {
    kept.layout = key;
    images.className = `images only-${key}`;
    requestAnimationFrame(() => parts.slide?.view?.whole());
    for (const one of layouts.children) one.setAttribute("aria-pressed", String(one.dataset.key === key));
  }
  const facts = [found.role, found.is_new ? null : `center ${found.center}`, found.known === null ? null : `known outcome: ${found.known}`].filter(Boolean);
  fill(content, h("div", { class: "case" },
    h("div", { class: "case-head" }, h("a", { href: "#/", class: "back", "aria-label": "All cases" }, "←"), h("h1", {}, found.id),
      h("span", { class: "facts" }, facts.map((fact) => h("span", {}, fact))), layouts),
    images, side ?? panel));

  const answerPlace = h("div", {});
  const reasonsPlace = h("div", {});
  const versionsPlace = h("section", { class: "versions" });
  const jobPlace = h("div", { "aria-live": "polite" });
  fill(panel, answerPlace, jobPlace, versionsPlace, reasonsPlace, background(found));

  const go = {
    region: (name) => { setLayout(kept.layout === "slide" ? "both" : kept.layout); parts.ct?.showRegion(name.startsWith("esophagus") ? "esophagus" : "tumor"); },
    cell: (name) => { if (kept.layout === "ct") setLayout("slide"); parts.slide?.showLayer(name); },
  };
  parts.ct = ctPart(found, stop.signal, { versions: versionsPlace, blinded });
  parts.slide = slidePanel(found, stop.signal, blinded);
  fill(images, parts.ct.element, parts.slide.element);
  let shownJob = "";
  const stopJobs = side ? () => {} : onJobs((jobs) => showJob(jobs));
  function showJob(jobs) {
    const job = latestJob(jobs, id, "rerun");
    const key = job ? `${job.id} ${job.state} ${job.step} ${job.progress}` : "";
    if (key === shownJob) return;
    shownJob = key;
    fill(jobPlace, job ? jobCard(job) : null);
  }
  if (!side) {
    load(answerPlace, getJson(caseAddress(id, "/answer"), stop.signal), (one) => answerCard(one));
    load(reasonsPlace, getJson(caseAddress(id, "/reasons"), stop.signal), (reasons) => reasonsPanel(reasons, go) ?? "");
  }
  setKeys([...parts.ct.keys, ...parts.slide.keys,
    { key: "F2", text: "CT, slide or side by side", run: () => setLayout({ ct: "slide", slide: "both", both: "ct" }[kept.layout]) }]);
  return () => { stop.abort(); stopJobs(); parts.ct.dispose(); parts.slide.dispose(); };
}

function jobCard(job) {
  if (job.state === "running" || job.state === "waiting") {
    return h("section", { class: "card working" }, h("h2", {}, job.state === "waiting" ? "Waits to run again" : "Runs again"),
      h("p", {}, job.step || "The worker starts …"), h("progress", { max: "1", value: job.step ? String(job.progress) : null, "aria-label": "Progress" }),
      h("button", { onclick: () => send("POST", `/api/jobs/${job.id}/cancel`).catch((error) => say(error.message, "error")) }, "Cancel"));
  }
  if (job.state === "failed") return state("failed", `Running again failed: ${job.error}`);
  if (job.state === "cancelled") return h("p", { class: "muted" }, "Running again was cancelled.");
  if (!job.result.before) return null;
  return h("section", { class: "card after" }, h("h2", {}, `Run again with version ${job.result.version}`),
    beforeAndAfterShort(job.result), h("button", { onclick: () => dialog("Before and after", beforeAndAfter(job.result)).classList.add("wide") }, "Before and after"));
}

function beforeAndAfterShort({ before, after }) {
  const word = (one) => (one.answer.withheld ? `${one.answer.headline} (withheld)` : `${one.answer.headline}, ${Math.round(100 * one.answer.probability)} %`);
  return h("p", {}, word(before), " → ", h("b", {}, word(after)));
}

function background(found) {
  return h("details", { class: "background" }, h("summary", {}, "Clinical values and notes"),
    found.notes.length ? h("ul", { class: "notes" }, found.notes.map((note) => h("li", { class: note.kind }, note.text))) : h("p", { class: "muted" }, "Nothing was noted."),
    h("table", { class: "plain" }, h("tbody", {}, found.clinical.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))))));
}

function ctPart(found, signal, { versions, blinded }) {
  const element = h("section", { class: "ct", "aria-label": "CT" });
  const nothing = { element, keys: [], dispose: () => {}, showRegion: () => {} };
  if (!found.has_ct) { fill(element, state("empty", "This patient has no CT.")); fill(versions); return nothing; }
  fill(element, state("loading", "Loading the CT …"));
  let view = null;
  let version = found.newest;
  let list = found.versions;
  const act = (run) => () => view && run();
  const status = h("div", { class: "ct-status", "aria-live": "off" });
  const buttons = {};
  const press = (name, on) => buttons[name]?.setAttribute("aria-pressed", String(on));
  const button = (name, text, title, run) => (buttons[name] = h("button", { title, "aria-pressed": "false", onclick: act(run) }, text));
  const size = h("input", { type: "range", min: "1", max: "25", step: "1", value: "5", "aria-label": "Radius of the brush in mm", oninput: act(() => { view.painter.radius = Number(size.value); view.draw(); }) });
  const opacity = h("input", { type: "range", min: "0.1", max: "1", step: "0.1", value: "1", "aria-label": "Opacity of the outlines", oninput: act(() => { view.opacity = Number(opacity.value); view.draw(); }) });
  const setTool = (tool) => { view.tool = tool; for (const name of ["navigate", "measure", "brush", "eraser"]) press(name, name === tool); element.dataset.tool = tool; view.draw(); };
  const setRegion = (region) => { view.painter.region = region; press("tumor", region === "tumor"); press("esophagus", region === "esophagus"); if (view.tool === "navigate" || view.tool === "measure") setTool("brush"); };
  const setWindow = (one) => { view.setWindow(one.low, one.high); };
  const changeSize = (step) => { size.value = String(Number(size.value) + step); view.painter.radius = Number(size.value); view.draw(); };
  const save = h("button", { class: "first", disabled: true, onclick: act(saveVersion) }, "Save version");
  const masks = h("button", { title: "Outline, fill or nothing (m)", onclick: act(() => { view.nextMasks(); }) }, "Outline");
  const tools = h("div", { class: "ct-tools", role: "toolbar", "aria-label": "CT" },
    h("span", { class: "group" }, WINDOWS.map((one) => button(one.name, one.name, `${one.name} (${one.key})`, () => setWindow(one)))),
    h("span", { class: "group" }, masks, h("label", { class: "slider" }, "opacity", opacity)),
    h("span", { class: "group" }, button("navigate", "Look", "Move the crosshair (v)", () => setTool("navigate")), button("measure", "Measure", "Measure a length (l)", () => setTool("measure"))),
    blinded ? null : h("span", { class: "group" }, button("brush", "Brush", "Draw (b)", () => setTool("brush")), button("eraser", "Eraser", "Erase (e)", () => setTool("eraser")),
      button("tumor", "Tumor", "Draw the tumor (t)", () => setRegion("tumor")), button("esophagus", "Esophagus", "Draw the esophagus (o)", () => setRegion("esophagus")),
      h("label", { class: "slider" }, "size", size), h("button", { title: "Fill the slices between those that were drawn on (i)", onclick: act(interpolate) }, "Fill between"),
      h("button", { title: "Undo (Ctrl+z)", "aria-label": "Undo", onclick: act(() => view.painter.undo()) }, "↶"), h("button", { title: "Redo (Ctrl+y)", "aria-label": "Redo", onclick: act(() => view.painter.redo()) }, "↷"), save));

  function interpolate() {
    const filled = view.painter.interpolate();
    say(filled ? `${filled} slices were filled.` : "Draw on two axial slices first; the slices between them are filled.");
  }
  function showStatus() {
    masks.textContent = { outline: "Outline", fill: "Fill", off: "No outline" }[view.masks];
    for (const one of WINDOWS) press(one.name, view.low === one.low && view.high === one.high);
    const place = view.hover ?? view.cursor;
    const hu = view.volume.hu[view.volume.index(...place)];
    const [x, y, z] = view.volume.point(...place);
    const loaded = view.volume.there.every(Boolean) ? "" : `loading ${Math.round((100 * view.volume.there.reduce((a, b) => a + b, 0)) / view.volume.nz)} % · `;
    status.textContent = `${loaded}${hu} HU · L ${x.toFixed(0)} P ${y.toFixed(0)} H ${z.toFixed(0)} mm · window ${view.high - view.low} / ${Math.round((view.high + view.low) / 2)}${view.volume.geometry.tilt_degrees ? ` · oblique by ${view.volume.geometry.tilt_degrees}°` : ""}`;
    save.disabled = !view.painter.isChanged;
  }
  async function open() {
    const volume = await Volume.open(found.id, list.length ? version : null, signal);
    view = new CtView(volume, showStatus);
    view.painter.listener = () => { showStatus(); drawVersions(); };
    fill(element, tools, view.element, status);
    setTool("navigate");
    press("tumor", true);
    drawVersions();
    await volume.load(view.cursor[2], () => view.draw(), signal);
  }
  async function showVersion(next) {
    if (view.painter.isChanged && !confirm("Leave the drawing that is not saved?")) return;
    await view.volume.loadLabels(next, signal);
    version = next;
    forget();
  }
  function forget() {
    Object.assign(view.painter, { done: [], undone: [], touched: new Map() });
    view.draw();
    drawVersions();
  }
  async function saveVersion() {
    if (!session.person && !(await askName())) return;
    const box = view.volume.labelBox();
    if (!box) { say("Nothing is drawn.", "error"); return; }
    save.disabled = true;
    save.textContent = "Saving …";
    try {
      const record = await postLabels(found.id, view.volume, box, version);
      version = record.version;
      list = await getJson(caseAddress(found.id, "/versions"));
      forget();
      say(`Version ${record.version} is saved. The versions before it stay.`);
    } catch (error) {
      if (error.status === 409) list = await getJson(caseAddress(found.id, "/versions"));
      drawVersions();
      say(error.message, "error");
    } finally {
      save.textContent = "Save version";
      showStatus();
    }
  }
  async function rerun() {
    try {
      await send("POST", caseAddress(found.id, "/rerun"), { version });
    } catch (error) { say(error.message, "error"); }
  }
  async function accept(next) {
    try {
      list = await send("PUT", caseAddress(found.id, "/accepted"), { version: next });
      drawVersions();
      say(next ? `The study uses version ${next} from its next prepare on.` : "The study uses the regions without corrections.");
    } catch (error) { say(error.message, "error"); }
  }
  async function reject() {
    if (!session.person && !(await askName())) return;
    try {
      list = await send("PUT", caseAddress(found.id, "/rejected"), {});
      drawVersions();
      say("The study uses no regions of this CT from its next prepare on, until you accept a version.");
    } catch (error) { say(error.message, "error"); }
  }
  function decision(one) {
    if (found.is_new) return null;
    const use = h("button", { onclick: () => accept(one.version) }, "Accept");
    if (one.rejected_by) return h("span", { class: "group" }, h("span", { class: "tag" }, `rejected by ${one.rejected_by}`), use);
    if (!one.accepted) return use;
    const used = h("span", { class: "tag likely" }, "✓ used by the study");
    return one.version ? used : h("span", { class: "group" }, used, h("button", { title: "The study is to use no regions until a version is accepted", onclick: reject }, "Reject"));
  }
  function drawVersions() {
    if (blinded) { fill(versions); return; }
    const facts = view ? view.volume.regions.map((region) => `${region} ${view.volume.millilitres(region).toFixed(1)} ml`).join(", ") : "";
    fill(versions, h("h2", {}, "Regions"), h("p", { class: "muted" }, facts || "No regions."),
      list.length ? h("ul", { class: "versions-list" }, [...list].reverse().map((one) => h("li", { class: one.version === version ? "shown" : "" },
        h("button", { class: "link", "aria-current": one.version === version ? "true" : null, onclick: () => showVersion(one.version).catch((error) => say(error.message, "error")) }, one.version ? `Version ${one.version}` : "As prepared"),
        h("span", { class: "muted" }, one.version ? `${one.person}, ${new Date(one.made_at).toLocaleString()}, from ${one.based_on ? `version ${one.based_on}` : "the prepared regions"}` : ""),
        decision(one)))) : null,
      h("p", {}, h("button", { class: "first", disabled: !view || view.painter.isChanged || !version, onclick: rerun }, "Run again with this version"),
        view?.painter.isChanged ? h("small", {}, "Save the drawing first.") : null));
  }
  open().catch((error) => { if (error.name !== "AbortError") fill(element, state("failed", error.message)); });
  const key = (name, text, run, shown) => ({ key: name, text, run: act(run), shown });
  const keys = [
    ...WINDOWS.map((one) => key(one.key, `Window: ${one.name}`, () => setWindow(one))),
    key("ArrowUp", "Next slice", () => view.step(1), ["↑", "wheel"]), key("ArrowDown", "Previous slice", () => view.step(-1), ["↓", "wheel"]),
    key("PageUp", "Ten slices on", () => view.step(10)), key("PageDown", "Ten slices back", () => view.step(-10)),
    key("m", "Masks: outline, fill, nothing", () => view.nextMasks()), key("x", "Crosshair", () => { view.crosshair = !view.crosshair; view.draw(); }),
    key("+", "Larger", () => view.zoomActive(1.25)), key("-", "Smaller", () => view.zoomActive(0.8)), key("Home", "To the tumor", () => view.moveTo(view.volume.middle())),
    key("v", "Look", () => setTool("navigate")), key("l", "Measure a length", () => setTool("measure")),
    { key: "", shown: ["right drag"], text: "Brightness and contrast", run: () => {} }, { key: "", shown: ["Shift drag"], text: "Move the picture", run: () => {} },
    ...(blinded ? [] : [key("b", "Brush", () => setTool("brush")), key("e", "Eraser", () => setTool("eraser")), key("t", "Draw the tumor", () => setRegion("tumor")), key("o", "Draw the esophagus", () => setRegion("esophagus")),
      key("[", "Smaller brush", () => changeSize(-1)), key("]", "Larger brush", () => changeSize(1)), key("i", "Fill the slices between", interpolate),
      key("Ctrl+z", "Undo", () => view.painter.undo()), key("Ctrl+y", "Redo", () => view.painter.redo()), key("Ctrl+s", "Save version", () => save.click())]),
  ];
  return { element, keys, dispose: () => view?.dispose(), view: () => view,
    showRegion: () => { if (!view) return; if (view.masks === "off") view.nextMasks(); view.moveTo(view.volume.middle()); } };
}

async function postLabels(id, volume, box, basedOn) {
  const [x0, y0, z0, x1, y1, z1] = box;
  const [w, d, t] = [x1 - x0, y1 - y0, z1 - z0];
  const block = new Uint8Array(w * d * t);
  for (let k = 0; k < t; k++) for (let j = 0; j < d; j++) {
    const from = volume.index(x0, y0 + j, z0 + k);
    block.set(volume.labels.subarray(from, from + w), (k * d + j) * w);
  }
  const packed = await new Response(new Blob([block]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  const query = new URLSearchParams({ based_on: basedOn, first: [x0, y0, z0].join(), size: [w, d, t].join(), regions: volume.regions.join() });
  return send("POST", caseAddress(id, `/regions?${query}`), packed);
}
