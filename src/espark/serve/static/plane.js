// One plane of a CT on a canvas: pixels, outlines, crosshair, letters, scale. It draws; ct_view.js decides.

export const COLORS = { tumor: "#ff7a1a", esophagus: "#56b4e9" };

const AXES = {
  // columns, rows, through; whether rows run against the axis; letters left, right, top, bottom
  axial: { u: 0, v: 1, w: 2, flip: false, letters: ["R", "L", "A", "P"] },
  coronal: { u: 0, v: 2, w: 1, flip: true, letters: ["R", "L", "H", "F"] },
  sagittal: { u: 1, v: 2, w: 0, flip: true, letters: ["A", "P", "H", "F"] },
};

export class Plane {
  constructor(name, canvas, view) {
    this.name = name;
    this.canvas = canvas;
    this.view = view;
    this.axes = AXES[name];
    this.pixels = document.createElement("canvas");
    this.zoom = 1;
    this.pan = [0, 0];
  }

  get size() { const n = [this.view.volume.nx, this.view.volume.ny, this.view.volume.nz]; return [n[this.axes.u], n[this.axes.v], n[this.axes.w]]; }
  get slice() { return this.view.cursor[this.axes.w]; }

  /** From a voxel to the pixel of the canvas at its middle, and back. */
  layout() {
    const { volume } = this.view;
    const [nu, nv] = this.size;
    const [du, dv] = [volume.spacing[this.axes.u], volume.spacing[this.axes.v]];
    const [w, h] = [this.canvas.width, this.canvas.height];
    const mm = Math.min(w / (nu * du), h / (nv * dv)) * this.zoom;
    const [su, sv] = [mm * du, mm * dv];
    return { su, sv, left: (w - nu * su) / 2 + this.pan[0], top: (h - nv * sv) / 2 + this.pan[1], mm };
  }

  toVoxel(x, y) {
    const { su, sv, left, top } = this.layout();
    const [, nv] = this.size;
    const u = Math.floor((x - left) / su);
    const row = Math.floor((y - top) / sv);
    const voxel = [...this.view.cursor];
    voxel[this.axes.u] = u;
    voxel[this.axes.v] = this.axes.flip ? nv - 1 - row : row;
    return voxel;
  }

  toCanvas(voxel) {
    const { su, sv, left, top } = this.layout();
    const [, nv] = this.size;
    const v = this.axes.flip ? nv - 1 - voxel[this.axes.v] : voxel[this.axes.v];
    return [left + (voxel[this.axes.u] + 0.5) * su, top + (v + 0.5) * sv];
  }

  /** Step in the arrays from one column, and one row from the top, to the next; and where the first one is. */
  strides() {
    const { nx, ny } = this.view.volume;
    const step = [1, nx, nx * ny];
    const [, nv] = this.size;
    const dv = this.axes.flip ? -step[this.axes.v] : step[this.axes.v];
    const start = this.slice * step[this.axes.w] + (this.axes.flip ? (nv - 1) * step[this.axes.v] : 0);
    return { du: step[this.axes.u], dv, start };
  }

  draw() {
    const context = this.canvas.getContext("2d", { alpha: false });
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const place = this.layout();
    this.drawVoxels(context, place);
    if (this.view.masks !== "off") this.drawMasks(context, place);
    this.drawMeasures(context);
    if (this.view.crosshair) this.drawCrosshair(context, place);
    this.drawMarks(context, place);
  }

  drawVoxels(context, { su, sv, left, top }) {
    const { volume, shades } = this.view;
    const [nu, nv] = this.size;
    if (this.pixels.width !== nu || this.pixels.height !== nv) {
      Object.assign(this.pixels, { width: nu, height: nv });
      this.image = new ImageData(nu, nv);
      this.words = new Uint32Array(this.image.data.buffer);
    }
    const { du, dv, start } = this.strides();
    const { hu } = volume;
    const { words } = this;
    for (let row = 0, at = 0; row < nv; row++) {
      for (let column = 0, from = start + row * dv; column < nu; column++, from += du) words[at++] = shades[hu[from] + 32768];
    }
    this.pixels.getContext("2d").putImageData(this.image, 0, 0);
    context.imageSmoothingEnabled = this.view.smooth;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.pixels, left, top, nu * su, nv * sv);
  }

  drawMasks(context, place) {
    for (const region of ["esophagus", "tumor"]) {
      if (!this.view.volume.regions.includes(region)) continue;
      const inside = region === "tumor" ? (label) => label === 2 : (label) => label > 0;
      const edges = this.view.masks === "fill" ? this.cells(inside, place) : this.edges(inside, place);
      context.globalAlpha = this.view.opacity * (this.view.masks === "fill" ? 0.55 : 1);
      context.fillStyle = context.strokeStyle = COLORS[region];
      context.lineWidth = Math.max(1.5, devicePixelRatio * 1.5);
      if (this.view.masks === "fill") context.fill(edges); else context.stroke(edges);
      context.globalAlpha = 1;
    }
  }

  /** The part of the plane that can hold labels, in columns and rows from the top. */
  window() {
    const [nu, nv] = this.size;
    const box = this.view.volume.box;
    if (!box || this.slice < box[this.axes.w] || this.slice >= box[this.axes.w + 3]) return null;
    const [u0, u1] = [box[this.axes.u], box[this.axes.u + 3]];
    let [v0, v1] = [box[this.axes.v], box[this.axes.v + 3]];
    if (this.axes.flip) [v0, v1] = [nv - v1, nv - v0];
    return [Math.max(0, u0), Math.max(0, v0), Math.min(nu, u1), Math.min(nv, v1)];
  }

  edges(inside, { su, sv, left, top }) {
    const path = new Path2D();
    const box = this.window();
    if (!box) return path;
    const [u0, v0, u1, v1] = box;
    const { labels } = this.view.volume;
    const { du, dv, start } = this.strides();
    const at = (u, v) => u >= u0 && u < u1 && v >= v0 && v < v1 && inside(labels[start + v * dv + u * du]);
    const line = (ua, va, ub, vb) => { path.moveTo(left + ua * su, top + va * sv); path.lineTo(left + ub * su, top + vb * sv); };
    for (let v = v0; v < v1; v++) for (let u = u0; u < u1; u++) {
      if (!at(u, v)) continue;
      if (!at(u - 1, v)) line(u, v, u, v + 1);
      if (!at(u + 1, v)) line(u + 1, v, u + 1, v + 1);
      if (!at(u, v - 1)) line(u, v, u + 1, v);
      if (!at(u, v + 1)) line(u, v + 1, u + 1, v + 1);
    }
    return path;
  }

  cells(inside, { su, sv, left, top }) {
    const path = new Path2D();
    const box = this.window();
    if (!box) return path;
    const [u0, v0, u1, v1] = box;
    const { labels } = this.view.volume;
    const { du, dv, start } = this.strides();
    for (let v = v0; v < v1; v++) for (let u = u0; u < u1; u++) {
      if (!inside(labels[start + v * dv + u * du])) continue;
      let end = u + 1;
      while (end < u1 && inside(labels[start + v * dv + end * du])) end++;
      path.rect(left + u * su, top + v * sv, (end - u) * su, sv);
      u = end;
    }
    return path;
  }

  drawCrosshair(context) {
    const [x, y] = this.toCanvas(this.view.cursor);
    const gap = 14 * devicePixelRatio;
    context.strokeStyle = "rgba(240, 228, 66, .75)";
    context.lineWidth = devicePixelRatio;
    context.beginPath();
    for (const [ax, ay, bx, by] of [[0, y, x - gap, y], [x + gap, y, this.canvas.width, y], [x, 0, x, y - gap], [x, y + gap, x, this.canvas.height]]) {
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
    }
    context.stroke();
  }

  drawMeasures(context) {
    context.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    for (const measure of this.view.measures) {
      if (measure.plane !== this.name || measure.slice !== this.slice) continue;
      const [ax, ay] = this.toCanvas(measure.from);
      const [bx, by] = this.toCanvas(measure.to);
      context.strokeStyle = context.fillStyle = "#f0e442";
      context.lineWidth = 1.5 * devicePixelRatio;
      context.beginPath();
      context.moveTo(ax, ay);
      context.lineTo(bx, by);
      context.stroke();
      shadowed(context, `${this.view.distance(measure.from, measure.to).toFixed(1)} mm`, Math.max(ax, bx) + 6 * devicePixelRatio, by);
    }
  }

  drawMarks(context, { mm }) {
    const { width, height } = this.canvas;
    const ratio = devicePixelRatio;
    const [left, right, top, bottom] = this.axes.letters;
    context.fillStyle = "#e8edf2";
    context.font = `600 ${14 * ratio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    shadowed(context, left, 8 * ratio, height / 2);
    context.textAlign = "right";
    shadowed(context, right, width - 8 * ratio, height / 2);
    context.textAlign = "center";
    shadowed(context, top, width / 2, 13 * ratio);
    shadowed(context, bottom, width / 2, height - 11 * ratio);
    context.textAlign = "left";
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    const title = { axial: "Axial", coronal: "Coronal", sagittal: "Sagittal" }[this.name];
    const number = `${this.slice + 1} / ${this.size[2]}`;
    shadowed(context, width < 340 * ratio ? number : `${title}  ${number}`, 8 * ratio, 13 * ratio);
    const length = [1, 2, 5, 10, 20, 50, 100].findLast((one) => one * mm <= width / 4) ?? 1;
    const [x, y] = [8 * ratio, height - 10 * ratio];
    context.strokeStyle = "#e8edf2";
    context.lineWidth = 2 * ratio;
    context.beginPath();
    context.moveTo(x, y - 4 * ratio); context.lineTo(x, y); context.lineTo(x + length * mm, y); context.lineTo(x + length * mm, y - 4 * ratio);
    context.stroke();
    shadowed(context, length >= 10 ? `${length / 10} cm` : `${length} mm`, x, y - 12 * ratio);
  }
}

function shadowed(context, text, x, y) {
  context.save();
  context.shadowColor = "#000";
  context.shadowBlur = 4;
  context.fillText(text, x, y);
  context.fillText(text, x, y);
  context.restore();
}
