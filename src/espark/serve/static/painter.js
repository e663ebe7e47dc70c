// Brush, eraser, interpolation between slices, undo. Label 2 is the tumor, label 1 the rest of the esophagus.

import { COLORS } from "./plane.js";

const MOST_UNDO = 60;

export class Painter {
  constructor(view) {
    this.view = view;
    this.region = "tumor";
    this.radius = 5; // mm
    this.done = [];
    this.undone = [];
    this.touched = new Map(); // axial slices that were drawn on, by region
    this.stroke = null;
    this.listener = () => {};
  }

  get isChanged() { return this.done.length > 0; }

  /** The label of a voxel after painting or erasing the active region. */
  painted(label, erase) {
    if (this.region === "tumor") {
      if (!erase) return 2;
      return label === 2 ? (this.view.volume.regions.includes("esophagus") ? 1 : 0) : label;
    }
    if (!erase) return label || 1;
    return label === 1 ? 0 : label;
  }

  begin(plane, voxel, tool) {
    this.stroke = { plane, erase: tool === "eraser", before: new Map(), last: voxel };
    if (!this.view.volume.regions.includes(this.region)) this.view.volume.regions.push(this.region);
    this.go(voxel);
  }

  go(voxel) {
    const { stroke } = this;
    if (!stroke) return;
    const { u, v } = stroke.plane.axes;
    const steps = Math.max(1, Math.abs(voxel[u] - stroke.last[u]), Math.abs(voxel[v] - stroke.last[v]));
    for (let step = 1; step <= steps; step++) {
      this.stamp(stroke.last.map((from, axis) => Math.round(from + ((voxel[axis] - from) * step) / steps)));
    }
    stroke.last = voxel;
    this.view.draw();
  }

  stamp(centre) {
    const { volume } = this.view;
    const { u, v, w } = this.stroke.plane.axes;
    const n = [volume.nx, volume.ny, volume.nz];
    const [ru, rv] = [this.radius / volume.spacing[u], this.radius / volume.spacing[v]];
    for (let dv = -Math.floor(rv); dv <= rv; dv++) for (let du = -Math.floor(ru); du <= ru; du++) {
      if ((du / Math.max(ru, 0.5)) ** 2 + (dv / Math.max(rv, 0.5)) ** 2 > 1) continue;
      const voxel = [...centre];
      voxel[u] += du;
      voxel[v] += dv;
      if (voxel.every((value, axis) => value >= 0 && value < n[axis])) this.set(voxel, this.stroke.erase);
    }
    if (w === 2) this.note(centre[2]);
  }

  set(voxel, erase) {
    const { volume } = this.view;
    const at = volume.index(...voxel);
    const next = this.painted(volume.labels[at], erase);
    if (next === volume.labels[at]) return;
    if (!this.stroke.before.has(at)) this.stroke.before.set(at, volume.labels[at]);
    volume.labels[at] = next;
    const box = volume.box ?? [...voxel, ...voxel.map((value) => value + 1)];
    volume.box = [...[0, 1, 2].map((axis) => Math.min(box[axis], voxel[axis])), ...[0, 1, 2].map((axis) => Math.max(box[axis + 3], voxel[axis] + 1))];
  }

  note(k) {
    if (!this.touched.has(this.region)) this.touched.set(this.region, new Set());
    this.touched.get(this.region).add(k);
  }

  end() {
    if (this.stroke?.before.size) {
      this.done.push(this.stroke.before);
      if (this.done.length > MOST_UNDO) this.done.shift();
      this.undone = [];
    }
    this.stroke = null;
    this.listener();
  }

  swap(from, to) {
    const change = from.pop();
    if (!change) return;
    const { labels } = this.view.volume;
    const back = new Map();
    for (const [at, label] of change) { back.set(at, labels[at]); labels[at] = label; }
    to.push(back);
    this.view.draw();
    this.listener();
  }

  undo() { this.swap(this.done, this.undone); }
  redo() { this.swap(this.undone, this.done); }

  /** Fill the slices between those that were drawn on: the outline changes evenly from one to the next. */
  interpolate() {
    const slices = [...(this.touched.get(this.region) ?? [])].sort((a, b) => a - b);
    this.stroke = { plane: this.view.planes[0], erase: false, before: new Map() };
    let filled = 0;
    for (let n = 1; n < slices.length; n++) filled += this.between(slices[n - 1], slices[n]);
    this.end();
    this.view.draw();
    return filled;
  }

  between(low, high) {
    if (high - low < 2 || high - low > 30) return 0;
    const { volume } = this.view;
    const [a, b] = [this.signed(low), this.signed(high)];
    if (!a || !b) return 0;
    for (let k = low + 1; k < high; k++) {
      const share = (k - low) / (high - low);
      for (let j = 0, at = 0; j < volume.ny; j++) for (let i = 0; i < volume.nx; i++, at++) {
        const inside = (1 - share) * a[at] + share * b[at] < 0;
        const label = volume.labels[volume.index(i, j, k)];
        const was = this.region === "tumor" ? label === 2 : label > 0;
        if (inside !== was) this.set([i, j, k], !inside);
      }
    }
    return high - low - 1;
  }

  /** Distance in mm of each pixel of a slice to the outline of the region, negative inside; null where it is empty. */
  signed(k) {
    const { volume } = this.view;
    const inside = new Uint8Array(volume.nx * volume.ny);
    let any = false;
    for (let at = 0, from = k * inside.length; at < inside.length; at++, from++) {
      inside[at] = (this.region === "tumor" ? volume.labels[from] === 2 : volume.labels[from] > 0) ? 1 : 0;
      any ||= inside[at] === 1;
    }
    if (!any) return null;
    const [outside, within] = [distances(inside, 1, volume), distances(inside, 0, volume)];
    return outside.map((value, at) => (inside[at] ? -within[at] : value));
  }

  drawTip() {
    const { view } = this;
    if (!view.hover || !view.hoverPlane || (view.tool !== "brush" && view.tool !== "eraser")) return;
    const plane = view.hoverPlane;
    const context = plane.canvas.getContext("2d");
    const [x, y] = plane.toCanvas(view.hover);
    context.strokeStyle = view.tool === "eraser" ? "#fff" : COLORS[this.region];
    context.lineWidth = 1.5 * devicePixelRatio;
    context.beginPath();
    context.arc(x, y, this.radius * plane.layout().mm, 0, 2 * Math.PI);
    context.stroke();
  }
}

/** Distance in mm of each pixel to the nearest pixel with this value: two passes of a chamfer with the slice's spacing. */
function distances(inside, value, volume) {
  const { nx, ny } = volume;
  const [dx, dy] = volume.spacing;
  const diagonal = Math.hypot(dx, dy);
  const far = 1e6;
  const found = Float32Array.from(inside, (one) => (one === value ? 0 : far));
  const pass = (at, i, j, si, sj) => {
    let best = found[at];
    if (i - si >= 0 && i - si < nx) best = Math.min(best, found[at - si] + dx);
    if (j - sj >= 0 && j - sj < ny) {
      best = Math.min(best, found[at - sj * nx] + dy);
      if (i - si >= 0 && i - si < nx) best = Math.min(best, found[at - sj * nx - si] + diagonal);
      if (i + si >= 0 && i + si < nx) best = Math.min(best, found[at - sj * nx + si] + diagonal);
    }
    found[at] = best;
  };
  for (let j = 0; j < ny; j++) for (let i = 0; i < nx; i++) pass(j * nx + i, i, j, 1, 1);
  for (let j = ny - 1; j >= 0; j--) for (let i = nx - 1; i >= 0; i--) pass(j * nx + i, i, j, -1, -1);
  return found;
}
