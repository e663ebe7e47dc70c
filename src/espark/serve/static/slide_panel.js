// The slides of a case with the controls of their layers and polygons.

import { caseAddress, getJson, send, session } from "./api.js";
import { fill, h, say, short, state } from "./dom.js";
import { askName } from "./main.js";
import { SlideView } from "./slide_view.js";

export function slidePanel(found, signal, blinded = false) {
  const element = h("section", { class: "slides", "aria-label": blinded ? "Slides" : `Slides of ${found.id}` });
  const part = { element, keys: [], dispose: () => part.view?.dispose(), showLayer: () => {}, view: null };
  if (!found.slides.length) { fill(element, state("empty", "This patient has no slide.")); return part; }
  if (!window.OpenSeadragon) {
    fill(element, state("failed", "The slide viewer is missing in this installation. Install espark from a wheel, or install npm and run `python hatch_build.py` in a working copy."));
    return part;
  }
  const tools = h("div", { class: "slide-tools", role: "toolbar", "aria-label": blinded ? "Slide tools" : `Slide tools of ${found.id}` });
  const host = h("div", { class: "slide-place-holder" });
  const legend = h("div", { class: "legend" });
  fill(element, tools, host, legend);
  let tiles = null;

  const choice = h("select", { "aria-label": "Layer", onchange: () => choose(choice.value) });
  const opacity = h("input", { type: "range", min: "0", max: "1", step: "0.05", value: "0.6", "aria-label": "Opacity of the layer", oninput: () => { part.view.opacity = Number(opacity.value); part.view.draw(); } });
  const threshold = h("input", { type: "range", "aria-label": "Show tiles from this value on", oninput: () => { part.view.threshold = Number(threshold.value) <= Number(threshold.min) ? null : Number(threshold.value); part.view.draw(); drawLegend(); } });
  const from = h("label", { class: "slider", hidden: true }, "from", threshold);
  const out = h("input", { type: "checkbox", onchange: () => { part.view.showLeftOut = out.checked; part.view.draw(); drawLegend(); } });
  const polygonButtons = h("span", { class: "group" });

  function choose(key) {
    part.view.layer = tiles?.layers.find((one) => one.key === key) ?? null;
    part.view.threshold = null;
    const layer = part.view.layer;
    from.hidden = layer?.kind !== "range";
    if (layer?.kind === "range") {
      [threshold.min, threshold.max] = layer.limits.map(String);
      threshold.step = String((layer.limits[1] - layer.limits[0]) / 50);
      threshold.value = threshold.min;
    }
    part.view.draw();
    drawLegend();
  }

  function drawLegend() {
    const { layer } = part.view;
    const swatches = (classes) => h("ul", { class: "swatches" }, classes.map((one) => h("li", {}, h("span", { class: "swatch", style: { background: one.color } }), one.name)));
    fill(legend,
      layer?.kind === "range" ? h("div", { class: "ramp" }, h("span", {}, short(layer.limits[0])),
        h("span", { class: "colors", style: { background: `linear-gradient(to right, ${layer.palette.join(",")})` } }), h("span", {}, short(layer.limits[1])),
        part.view.threshold === null ? null : h("b", {}, `from ${short(part.view.threshold)}`)) : null,
      layer?.kind === "classes" ? swatches(layer.classes) : null,
      layer ? h("p", { class: "fine" }, layer.legend) : null,
      part.view.showLeftOut && tiles ? h("div", {}, h("p", { class: "fine" }, "Left out, and why:"), swatches(tiles.left_out.classes.filter((_, n) => tiles.left_out.reasons.includes(n)))) : null);
    legend.hidden = !legend.childElementCount;
  }

  function drawPolygonButtons() {
    const { view } = part;
    fill(polygonButtons, view.drawing
      ? [h("span", { class: "muted" }, "Click the corners; double click closes."), h("button", { onclick: () => { view.cancelPolygon(); drawPolygonButtons(); } }, "Stop")]
      : [h("button", { title: "Draw a part that is left out (p)", onclick: () => begin("out") }, "Leave out …"), h("button", { title: "Draw a part that is taken alone", onclick: () => begin("only") }, "Take alone …"),
        view.polygons.length ? h("button", { onclick: () => { view.polygons = view.polygons.slice(0, -1); view.draw(); drawPolygonButtons(); } }, "Remove last") : null,
        JSON.stringify(view.polygons) !== view.saved ? h("button", { class: "first", onclick: save }, "Save polygons") : null]);
  }
  function begin(kind) { part.view.beginPolygon(kind); drawPolygonButtons(); }
  async function save() {
    if (!session.person && !(await askName())) return;
    try {
      const saved = await send("PUT", caseAddress(found.id, `/slides/${part.view.slide.number}/polygons`), part.view.polygons);
      part.view.saved = JSON.stringify(part.view.polygons);
      drawPolygonButtons();
      say(`Version ${saved.version} of the polygons is saved. They count when the case is run again, and at the next prepare of the study.`);
    } catch (error) { say(error.message, "error"); }
  }

  async function open(slide) {
    part.view?.dispose();
    if (slide.error) { fill(host, state("failed", slide.error)); return; }
    part.view = new SlideView(found.id, slide);
    part.view.onpolygons = drawPolygonButtons;
    part.view.saved = "[]";
    fill(host, part.view.element);
    drawPolygonButtons();
    const address = caseAddress(found.id, `/slides/${slide.number}`);
    getJson(`${address}/polygons`, signal).then(({ polygons }) => {
      part.view.polygons = polygons;
      part.view.saved = JSON.stringify(polygons);
      part.view.draw();
      drawPolygonButtons();
    }).catch(() => {});
    try {
      tiles = await getJson(`${address}/layers`, signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      fill(choice, h("option", { value: "" }, "No layers"));
      return;
    }
    part.view.setTiles(tiles);
    const groups = [...new Set(tiles.layers.map((one) => one.group ?? ""))];
    fill(choice, h("option", { value: "" }, "No layer"), groups.map((group) => {
      const options = tiles.layers.filter((one) => (one.group ?? "") === group).map((one) => h("option", { value: one.key }, one.title));
      return group ? h("optgroup", { label: group }, options) : options;
    }));
    choose("");
  }

  fill(tools,
    found.slides.length > 1 ? h("select", { "aria-label": "Slide", onchange: (event) => open(found.slides[Number(event.target.value)]) }, found.slides.map((slide, n) => h("option", { value: String(n) }, `Slide ${slide.number}`))) : null,
    h("span", { class: "group" }, choice, h("label", { class: "slider" }, "opacity", opacity), from), h("label", { class: "group" }, out, " left out"), polygonButtons);
  open(found.slides[0]);
  part.showLayer = (name) => {
    const layer = tiles?.layers.find((one) => one.title.toLowerCase() === name.toLowerCase()) ?? tiles?.layers.find((one) => name.toLowerCase().startsWith(one.title.toLowerCase()));
    if (!layer) return;
    choice.value = layer.key;
    choose(layer.key);
    const best = layer.values.reduce((top, value, n) => (value !== null && value > (layer.values[top] ?? -Infinity) ? n : top), 0);
    part.view.goTo(tiles.x[best], tiles.y[best], tiles.tile);
  };
  const step = (by) => {
    const options = [...choice.options];
    choice.selectedIndex = (choice.selectedIndex + by + options.length) % options.length;
    choose(choice.value);
  };
  part.keys = [
    { key: ".", text: "Next layer of the slide", run: () => tiles && step(1) }, { key: ",", text: "Previous layer", run: () => tiles && step(-1) },
    { key: "u", text: "Tiles that were left out", run: () => out.click() }, { key: "0", text: "The whole slide", run: () => part.view?.whole() },
    { key: "p", text: "Draw a part that is left out", run: () => part.view?.viewer && begin("out") },
    { key: "Escape", text: "Stop drawing", run: () => { if (part.view?.drawing) { part.view.cancelPolygon(); drawPolygonButtons(); } } },
  ];
  return part;
}
