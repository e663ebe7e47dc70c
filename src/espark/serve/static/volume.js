// A CT in memory: int16 HU along left, posterior, superior; it fills from the slice that is looked at outwards.

import { caseAddress, getBytes, getJson, getResponse } from "./api.js";

const SLAB = 16;

export class Volume {
  constructor(id, geometry) {
    this.id = id;
    this.geometry = geometry;
    [this.nx, this.ny, this.nz] = geometry.size;
    this.spacing = geometry.spacing;
    this.hu = new Int16Array(this.nx * this.ny * this.nz).fill(-1024);
    this.there = new Uint8Array(this.nz);
    this.labels = new Uint8Array(this.nx * this.ny * this.nz);
    this.regions = [];
    this.box = null;
  }

  /** Open a CT with a version of its regions; null for none. */
  static async open(id, version, signal) {
    const labels = version === null ? null : getResponse(caseAddress(id, `/regions/${version}`), signal);
    labels?.catch(() => {}); // it is awaited below, also when the CT cannot be read
    const volume = new Volume(id, await getJson(caseAddress(id, "/ct/geometry"), signal));
    if (labels) await volume.takeLabels(await labels);
    return volume;
  }

  index(i, j, k) { return (k * this.ny + j) * this.nx + i; }

  /** Load one slice now, then all others, nearest first; `arrived` is called after each part. */
  async load(middle, arrived, signal) {
    await this.fetchSlices(middle, 1, signal);
    arrived();
    const starts = [];
    for (let start = 0; start < this.nz; start += SLAB) starts.push(start);
    starts.sort((a, b) => Math.abs(a + SLAB / 2 - middle) - Math.abs(b + SLAB / 2 - middle));
    for (const start of starts) {
      await this.fetchSlices(start, Math.min(SLAB, this.nz - start), signal);
      arrived();
    }
  }

  async fetchSlices(first, count, signal) {
    if (this.there.subarray(first, first + count).every(Boolean)) return;
    const bytes = await getBytes(caseAddress(this.id, `/ct/slices?first=${first}&count=${count}`), signal);
    this.hu.set(new Int16Array(bytes), first * this.nx * this.ny);
    this.there.fill(1, first, first + count);
  }

  /** Load the labels of a version of the regions: 1 = esophagus, 2 = tumor. */
  async loadLabels(version, signal) {
    await this.takeLabels(await getResponse(caseAddress(this.id, `/regions/${version}`), signal));
  }

  async takeLabels(response) {
    const three = (name) => response.headers.get(name).split(",").map(Number);
    const [x, y, z] = three("x-first");
    const [w, d, t] = three("x-size");
    const block = new Uint8Array(await response.arrayBuffer());
    this.labels.fill(0);
    for (let k = 0; k < t; k++) for (let j = 0; j < d; j++) {
      this.labels.set(block.subarray((k * d + j) * w, (k * d + j + 1) * w), this.index(x, y + j, z + k));
    }
    this.regions = response.headers.get("x-regions").split(",").filter(Boolean);
    this.box = w ? [x, y, z, x + w, y + d, z + t] : null;
  }

  /** The smallest box that holds all labels, or null. */
  labelBox() {
    let [x0, y0, z0, x1, y1, z1] = [this.nx, this.ny, this.nz, -1, -1, -1];
    for (let k = 0, at = 0; k < this.nz; k++) for (let j = 0; j < this.ny; j++) for (let i = 0; i < this.nx; i++, at++) {
      if (!this.labels[at]) continue;
      if (i < x0) x0 = i; if (i > x1) x1 = i;
      if (j < y0) y0 = j; if (j > y1) y1 = j;
      if (k < z0) z0 = k; z1 = k;
    }
    return x1 < 0 ? null : [x0, y0, z0, x1 + 1, y1 + 1, z1 + 1];
  }

  /** A voxel in the middle of the tumor, else of the esophagus, else of the CT. */
  middle() {
    for (const wanted of [2, 1]) {
      if (!this.box) break;
      const [x0, y0, z0, x1, y1, z1] = this.box;
      let [n, si, sj, sk] = [0, 0, 0, 0];
      for (let k = z0; k < z1; k++) for (let j = y0; j < y1; j++) for (let i = x0; i < x1; i++) {
        if (this.labels[this.index(i, j, k)] >= wanted && (wanted === 1 || this.labels[this.index(i, j, k)] === 2)) { n++; si += i; sj += j; sk += k; }
      }
      if (n) return [si / n, sj / n, sk / n].map(Math.round);
    }
    return [this.nx, this.ny, this.nz].map((n) => n >> 1);
  }

  /** Millimetres (LPS) of a voxel. */
  point(i, j, k) {
    const m = this.geometry.matrix;
    return [0, 1, 2].map((row) => m[4 * row] * i + m[4 * row + 1] * j + m[4 * row + 2] * k + m[4 * row + 3]);
  }

  /** Volume of a region in ml. */
  millilitres(region) {
    let n = 0;
    for (const label of this.labels) if (region === "tumor" ? label === 2 : label > 0) n++;
    return (n * this.spacing[0] * this.spacing[1] * this.spacing[2]) / 1000;
  }
}
