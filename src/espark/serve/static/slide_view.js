// A slide with deep zoom, its layers, its scale, and polygons. Coordinates are level-0 pixels throughout.

import { caseAddress } from "./api.js";
import { h, short, svg } from "./dom.js";

const OBJECTIVES = [1, 2.5, 5, 10, 20, 40];

export class SlideView {
  constructor(id, slide, changed = () => {}) {
    this.slide = slide;
    this.changed = changed;
    this.layer = null;
    this.opacity = 0.6;
    this.threshold = null;
    this.showLeftOut = false;
    this.polygons = [];
    this.drawing = null;
    this.host = h("div", { class: "slide-host", role: "group", "aria-label": `Slide ${slide.number}` });
    this.overlay = h("canvas", { class: "slide-overlay", "aria-hidden": "true" });
    this.shapes = svg("svg", { class: "slide-shapes", "aria-hidden": "true" });
    this.scale = h("div", { class: "slide-scale" });
    this.place = h("div", { class: "slide-place" });
    this.buttons = h("div", { class: "objectives", role: "group", "aria-label": "Objective" },
      OBJECTIVES.filter((one) => one <= slide.objective).map((one) => h("button", { onclick: () => this.toObjective(one) }, `${one}×`)),
      h("button", { onclick: () => this.whole() }, "Whole"));
    this.element = h("div", { class: "slide" }, this.host, this.overlay, this.shapes, this.scale, this.place, this.buttons);
    if (!window.OpenSeadragon) return;
    this.viewer = window.OpenSeadragon({
      element: this.host, drawer: "canvas", showNavigationControl: false, showNavigator: true, navigatorPosition: "TOP_RIGHT",
      navigatorSizeRatio: 0.16, animationTime: 0.35, gestureSettingsMouse: { clickToZoom: false }, maxZoomPixelRatio: 3,
      visibilityRatio: 0.3, minZoomImageRatio: 0.6, keyboardNavEnabled: true, immediateRender: false, imageLoaderLimit: 4,
      tileSources: {
        width: slide.width, height: slide.height, tileSize: slide.tile, tileOverlap: slide.overlap, minLevel: 0, maxLevel: slide.levels - 1,
        getTileUrl: (level, x, y) => caseAddress(id, `/slides/${slide.number}/${level}/${x}_${y}.jpg`),
      },
    });
    this.viewer.addHandler("update-viewport", () => this.draw());
    this.viewer.addHandler("open", () => { this.whole(true); this.draw(); });
    this.viewer.addHandler("resize", () => this.draw());
    this.host.addEventListener("pointermove", (event) => this.showPlace(event));
    this.viewer.addHandler("canvas-click", (event) => { if (this.drawing && event.quick) { event.preventDefaultAction = true; this.addCorner(event.position); } });
    this.viewer.addHandler("canvas-double-click", (event) => { if (this.drawing) { event.preventDefaultAction = true; this.closePolygon(); } });
  }

  dispose() { this.viewer?.destroy(); }

  whole(now = false) {
    const [x, y, w, hgt] = this.slide.scanned;
    this.viewer?.viewport.fitBounds(this.viewer.viewport.imageToViewportRectangle(x, y, w, hgt), now);
  }

  /** The zoom at which a pixel of the screen is as large as with an objective. */
  toObjective(power) {
    const { viewport } = this.viewer;
    viewport.zoomTo(viewport.imageToViewportZoom(this.slide.mpp / (10 / power)));
  }

  goTo(x, y, side) {
    const { viewport } = this.viewer;
    viewport.fitBounds(viewport.imageToViewportRectangle(x - side, y - side, 3 * side, 3 * side));
  }

  /** Zoom of image pixels to screen pixels, and where the image's corner is. */
  geometry() {
    const { viewport } = this.viewer;
    const origin = viewport.imageToViewerElementCoordinates(new window.OpenSeadragon.Point(0, 0));
    const far = viewport.imageToViewerElementCoordinates(new window.OpenSeadragon.Point(this.slide.width, 0));
    return { left: origin.x, top: origin.y, zoom: (far.x - origin.x) / this.slide.width };
  }

  draw() {
    if (!this.viewer?.world.getItemCount()) return;
    const [w, hgt] = [this.host.clientWidth, this.host.clientHeight];
    const ratio = devicePixelRatio;
    if (this.overlay.width !== Math.round(w * ratio) || this.overlay.height !== Math.round(hgt * ratio)) Object.assign(this.overlay, { width: Math.round(w * ratio), height: Math.round(hgt * ratio) });
    const context = this.overlay.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, w, hgt);
    const place = this.geometry();
    if (this.tiles) {
      context.imageSmoothingEnabled = false;
      context.globalAlpha = this.opacity;
      if (this.layer) this.paintGrid(context, place, this.layerImage());
      if (this.showLeftOut) this.paintGrid(context, place, this.leftOutImage());
      context.globalAlpha = 1;
    }
    this.drawScale(place);
    this.drawShapes(place);
    this.changed();
  }

  setTiles(tiles) {
    this.tiles = tiles;
    const columns = [...tiles.x, ...tiles.left_out.x].map((x) => Math.round(x / tiles.tile));
    const rows = [...tiles.y, ...tiles.left_out.y].map((y) => Math.round(y / tiles.tile));
    this.grid = [Math.max(0, ...columns) + 1, Math.max(0, ...rows) + 1];
    this.images = new Map();
    this.draw();
  }

  /** A small picture with one pixel for each tile, which is enlarged over the slide. */
  image(key, color) {
    if (this.images.has(key)) return this.images.get(key);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = this.grid;
    const context = canvas.getContext("2d");
    color((x, y, shade) => {
      context.fillStyle = shade;
      context.fillRect(Math.round(x / this.tiles.tile), Math.round(y / this.tiles.tile), 1, 1);
    });
    this.images.set(key, canvas);
    return canvas;
  }

  layerImage() {
    const { tiles, layer, threshold } = this;
    return this.image(`${layer.key} ${threshold}`, (put) => tiles.x.forEach((x, n) => {
      const value = layer.values[n];
      if (value === null || (threshold !== null && layer.kind === "range" && value < threshold)) return;
      put(x, tiles.y[n], shadeOf(layer, value));
    }));
  }

  leftOutImage() {
    const { left_out: out } = this.tiles;
    return this.image("left out", (put) => out.x.forEach((x, n) => put(x, out.y[n], out.classes[out.reasons[n]].color)));
  }

  paintGrid(context, { left, top, zoom }, image) {
    const side = this.tiles.tile * zoom;
    context.drawImage(image, left, top, image.width * side, image.height * side);
  }

  drawScale({ zoom }) {
    const micrometres = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000].findLast((one) => (one / this.slide.mpp) * zoom <= 140) ?? 1;
    const objective = (10 / this.slide.mpp) * zoom;
    this.scale.style.width = `${(micrometres / this.slide.mpp) * zoom}px`;
    this.scale.textContent = `${micrometres >= 1000 ? `${micrometres / 1000} mm` : `${micrometres} µm`}`;
    this.objective = objective;
  }

  point(event) {
    const box = this.host.getBoundingClientRect();
    const { left, top, zoom } = this.geometry();
    return [(event.clientX - box.left - left) / zoom, (event.clientY - box.top - top) / zoom];
  }

  showPlace(event) {
    if (!this.viewer.world.getItemCount()) return;
    const [x, y] = this.point(event);
    const value = this.valueAt(x, y);
    this.place.textContent = `${Math.round(x * this.slide.mpp)}, ${Math.round(y * this.slide.mpp)} µm · ${this.objective.toFixed(1)}×${value}`;
  }

  valueAt(x, y) {
    if (!this.tiles || !this.layer) return "";
    const { tile } = this.tiles;
    const found = this.tiles.x.findIndex((left, n) => x >= left && x < left + tile && y >= this.tiles.y[n] && y < this.tiles.y[n] + tile);
    const value = found < 0 ? null : this.layer.values[found];
    if (value === null) return "";
    return ` · ${this.layer.title}: ${this.layer.kind === "classes" ? this.layer.classes[value].name : short(value)}`;
  }

  // Polygons

  beginPolygon(kind) { this.drawing = { kind, points: [] }; this.draw(); }
  cancelPolygon() { this.drawing = null; this.draw(); }

  addCorner(position) {
    const { left, top, zoom } = this.geometry();
    this.drawing.points.push([(position.x - left) / zoom, (position.y - top) / zoom]);
    this.draw();
  }

  closePolygon() {
    const { kind, points } = this.drawing;
    this.drawing = null;
    const distinct = points.filter((point, n) => n === 0 || Math.hypot(point[0] - points[n - 1][0], point[1] - points[n - 1][1]) > 1);
    if (distinct.length >= 3) this.polygons = [...this.polygons, { kind, points: distinct }];
    this.draw();
    this.onpolygons?.();
  }

  drawShapes({ left, top, zoom }) {
    const text = (points) => points.map(([x, y]) => `${left + x * zoom},${top + y * zoom}`).join(" ");
    const shapes = this.polygons.map((one) => svg("polygon", { points: text(one.points), class: one.kind }));
    if (this.drawing?.points.length) {
      shapes.push(svg("polyline", { points: text(this.drawing.points), class: `${this.drawing.kind} open` }));
      shapes.push(...this.drawing.points.map(([x, y]) => svg("circle", { cx: left + x * zoom, cy: top + y * zoom, r: 4, class: this.drawing.kind })));
    }
    this.shapes.replaceChildren(...shapes);
  }
}

/** The color of a value of a layer. */
export function shadeOf(layer, value) {
  if (layer.kind === "classes") return layer.classes[value].color;
  const [low, high] = layer.limits;
  const share = Math.max(0, Math.min(1, (value - low) / (high - low)));
  return layer.palette[Math.round(share * (layer.palette.length - 1))];
}
