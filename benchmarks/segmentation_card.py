"""Writes the model card of the embedded segmenter from what the other benchmarks wrote with ``--json``.

    python benchmarks/segmentation_virtual.py --json virtual.json        # seed 100, scored once
    python benchmarks/segmentation_virtual.py --patients 32 --seed 8 --json doubts.json
    python benchmarks/segmentation_real.py --data DATA --fits WORK --json real.json
    python benchmarks/segmentation_card.py virtual.json real.json doubts.json

Figures that belong to other weights are refused.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from card_table import table

from espark.ct.segmentation.clean import INSIDE
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE, load_network
from espark.files import read_safetensors_notes

_HEAD = """# espark-mini-seg

Embedded segmenter of espark: esophagus (the whole organ, the tumor included) and tumor on a CT of the chest. For
research use only: not a diagnostic tool. Look at every region before you rely on it.

## What it is

- Network: `espark.models.unet.UNet3d`, {parameters:.2f} million parameters in half precision, {megabytes:.1f} MB; MIT
  licence. It sees the CT on a grid of 3 mm; a path from slice to slice, a thin tube where the organ was missed and the
  largest component make one organ of its probabilities. A voxel belongs from a probability of {inside} on.
- Weights: SHA-256 `{digest}`.

## What it was fitted on

- `make segmenter` (`python -m espark.pretrain.make_segmenter`), notes of the fit: {notes}. First
  simulated chests alone ({first_steps} steps of {batch} patches), then real CTs in 60 % and simulated chests in 40 % of
  the patches ({steps} steps), on one NVIDIA H200. Truth is the share of each voxel that a region covers, not whole
  voxels.
- Real: {real} planning CTs of OpenKBP (MIT licence) with a contour of the esophagus. They show neck and upper chest;
  the contours stop where the plan needed no more, and nothing is learned beyond them. No tumor is drawn in them.
- Simulated: {simulated} chests of the virtual trial's simulator (seeds from 1000 up), scanned as centers A and B scan,
  in any contrast phase, with exact esophagus and tumor. They teach all below the carina, and the tumor.
- lung1-001 (CC BY-NC, research only) was not used for fitting.

## What the figures can and cannot show

- **No CT with a drawn tumor of the esophagus was at hand.** The tumor is checked on simulated patients only, drawn by
  the same simulator as those it was fitted on: expect less on real patients.
- Center C of the virtual trial is unseen: its patients, kernel, noise, slice thickness, field of view and tube voltage.
  Development looked at other patients (seed 7). Seeds 100 and 8 were also looked at with earlier weights, and once with
  these.
- The size of the network and the probability from which a voxel belongs were chosen on 13 scans of the less clean half
  of OpenKBP, left out of a fit of their own, and on seed 7, not on the figures below; the number of steps by the time
  at hand. For the Dice, half the Dice reached is the best limit (Lipton, Elkan and Narayanaswamy, 2014).
- OpenKBP is compared on the slices that its contours hold. A network of a fold saw none of the fold's CTs; the first
  part of the fit saw no real CT and is shared by all folds. The shipped network saw them all.
- A faint tumor, or one with a rival elsewhere in the esophagus, is flagged as doubtful. The limits were set on 40
  patients of center C, seed 7, with earlier weights. An esophagus with more than 40 % of its slices bridged is doubted
  too: on seed 7 it was 2 to 17 % of ten patients, on the 13 scans 4 to 38 %. On lung1-001 it is 39 %, and passes; the
  tumor that is found there, where none is, is flagged.
- **Below the carina no real CT was fitted to**: expect gaps there.
- The 13 points of lung1-001 were set by eye, not by an expert, and lie in one patient.
- A region that is not found counts with a Dice of 0. Intervals are 95 %, Student's t over patients; for times, the
  range over the CTs on a machine busy with other work. `core_seconds` is processor time.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, nargs="+", help="JSON files of the other benchmarks, in their order")
    parser.add_argument("--out", type=Path, default=SHIPPED / "MODEL_CARD.md")
    options = parser.parse_args()
    weights = SHIPPED / WEIGHTS_FILE
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    notes = read_safetensors_notes(weights)
    notes.pop("shape")
    head = _HEAD.format(
        parameters=sum(value.numel() for value in load_network(SHIPPED).parameters()) / 1e6,
        megabytes=weights.stat().st_size / 1e6,
        digest=digest,
        inside=INSIDE,
        **notes,
        notes=", ".join(f"{name} {value}" for name, value in sorted(notes.items())),
    )
    lines = [line for path in options.figures for line in table(path, digest)]
    options.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
