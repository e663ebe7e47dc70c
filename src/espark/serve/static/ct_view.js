// Three linked planes of a CT: cursor, window, masks, measures, and the brush.

import { h } from "./dom.js";
import { Painter } from "./painter.js";
import { Plane } from "./plane.js";

export const WINDOWS = [
  { key: "1", name: "Soft tissue", low: -160, high: 240 },
  { key: "2", name: "Mediastinum", low: -125, high: 275 },
  { key: "3", name: "Lung", low: -1350, high: 150 },
  { key: "4", name: "Bone", low: -450, high: 1050 },
];

export class CtView {
  constructor(volume, changed = () => {}) {
    this.volume = volume;
    this.changed = changed;
    this.cursor = volume.middle();
    this.masks = "outline";
    this.opacity = 1;
    this.crosshair = true;
    this.smooth = true;
    this.tool = "navigate";
    this.measures = [];
    this.hover = null;
    this.shades = new Uint32Array(65536);
    this.painter = new Painter(this);
    this.element = h("div", { class: "planes" });
    this.planes = ["axial", "coronal", "sagittal"].map((name) => {
      const canvas = h("canvas", { tabIndex: 0, role: "img", class: "plane", "aria-label": `${name} plane of the CT` });
      this.element.append(h("div", { class: `pane ${name}` }, canvas));
      const plane = new Plane(name, canvas, this);
      this.listen(plane);
      return plane;
    });
    this.active = this.planes[0];
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.element);
    this.setWindow(WINDOWS[0].low, WINDOWS[0].high);
  }

  dispose() { this.observer.disconnect(); }

  resize() {
    for (const { canvas } of this.planes) {
      const [w, hgt] = [Math.round(canvas.clientWidth * devicePixelRatio), Math.round(canvas.clientHeight * devicePixelRatio)];
      if (canvas.width !== w || canvas.height !== hgt) Object.assign(canvas, { width: Math.max(1, w), height: Math.max(1, hgt) });
    }
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      const start = performance.now();
      for (const plane of this.planes) plane.draw();
      this.painter.drawTip();
      this.drawMs = performance.now() - start;
      this.changed();
    });
  }

  setWindow(low, high) {
    [this.low, this.high] = [low, Math.max(low + 1, high)];
    const factor = 255 / (this.high - this.low);
    for (let hu = -32768; hu < 32768; hu++) {
      const gray = Math.max(0, Math.min(255, Math.round((hu - this.low) * factor)));
      this.shades[hu + 32768] = 0xff000000 | (gray << 16) | (gray << 8) | gray;
    }
    this.draw();
  }

  moveTo(voxel) {
    const n = [this.volume.nx, this.volume.ny, this.volume.nz];
    this.cursor = voxel.map((value, axis) => Math.max(0, Math.min(n[axis] - 1, Math.round(value))));
    this.draw();
  }

  step(count, plane = this.active) {
    const cursor = [...this.cursor];
    cursor[plane.axes.w] += count;
    this.moveTo(cursor);
  }

  nextMasks() {
    this.masks = { outline: "fill", fill: "off", off: "outline" }[this.masks];
    this.draw();
  }

  distance(a, b) {
    const [p, q] = [this.volume.point(...a), this.volume.point(...b)];
    return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
  }

  isInside(voxel) { return voxel[0] >= 0 && voxel[1] >= 0 && voxel[2] >= 0 && voxel[0] < this.volume.nx && voxel[1] < this.volume.ny && voxel[2] < this.volume.nz; }

  listen(plane) {
    const { canvas } = plane;
    const at = (event) => plane.toVoxel(event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio);
    let drag = null;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.active = plane;
      if (event.ctrlKey) this.zoomAt(plane, event, event.deltaY < 0 ? 1.15 : 1 / 1.15);
      else this.step(plane.name === "axial" ? -Math.sign(event.deltaY) : Math.sign(event.deltaY), plane);
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.focus();
      canvas.setPointerCapture(event.pointerId);
      this.active = plane;
      const voxel = at(event);
      const tool = event.button === 2 ? "window" : event.button === 1 || event.shiftKey ? "pan" : this.tool;
      drag = { tool, voxel, x: event.clientX, y: event.clientY, low: this.low, high: this.high, pan: [...plane.pan] };
      if (tool === "navigate") this.moveTo(voxel);
      if (tool === "measure") this.measures.push({ plane: plane.name, slice: plane.slice, from: voxel, to: voxel });
      if (tool === "brush" || tool === "eraser") this.painter.begin(plane, voxel, tool);
    });
    canvas.addEventListener("pointermove", (event) => {
      const voxel = at(event);
      this.hover = this.isInside(voxel) ? voxel : null;
      this.hoverPlane = plane;
      if (drag) this.drag(plane, drag, event, voxel); else if (this.tool === "brush" || this.tool === "eraser") this.draw(); else this.changed();
    });
    const end = () => { if (drag && (drag.tool === "brush" || drag.tool === "eraser")) this.painter.end(); drag = null; };
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
    canvas.addEventListener("pointerleave", () => { this.hover = null; this.hoverPlane = null; this.draw(); });
    canvas.addEventListener("dblclick", () => { if (this.tool === "navigate") { Object.assign(plane, { zoom: 1, pan: [0, 0] }); this.draw(); } });
    canvas.addEventListener("focus", () => { this.active = plane; });
  }

  drag(plane, drag, event, voxel) {
    const [dx, dy] = [event.clientX - drag.x, event.clientY - drag.y];
    if (drag.tool === "navigate") this.moveTo(voxel);
    if (drag.tool === "pan") { plane.pan = [drag.pan[0] + dx * devicePixelRatio, drag.pan[1] + dy * devicePixelRatio]; this.draw(); }
    if (drag.tool === "window") {
      const width = Math.max(1, drag.high - drag.low + 2 * dx);
      const level = (drag.high + drag.low) / 2 - dy;
      this.setWindow(Math.round(level - width / 2), Math.round(level + width / 2));
    }
    if (drag.tool === "measure") { this.measures.at(-1).to = voxel; this.draw(); }
    if (drag.tool === "brush" || drag.tool === "eraser") this.painter.go(voxel);
  }

  zoomAt(plane, event, factor) {
    const [x, y] = [event.offsetX * devicePixelRatio, event.offsetY * devicePixelRatio];
    const before = plane.layout();
    plane.zoom = Math.max(1, Math.min(16, plane.zoom * factor));
    const after = plane.layout();
    plane.pan[0] += x - after.left - ((x - before.left) / before.su) * after.su;
    plane.pan[1] += y - after.top - ((y - before.top) / before.sv) * after.sv;
    if (plane.zoom === 1) plane.pan = [0, 0];
    this.draw();
  }

  zoomActive(factor) {
    const { canvas } = this.active;
    const place = this.active.toCanvas(this.cursor).map((value) => value / devicePixelRatio);
    this.zoomAt(this.active, { offsetX: place[0], offsetY: place[1], target: canvas }, factor);
  }
}
