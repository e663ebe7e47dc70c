"""Writes the model card of the embedded encoder from what the other benchmarks wrote with ``--json``.

    python benchmarks/encoder_real.py --set consep-test --json real-test.json
    python benchmarks/encoder_real.py --set consep-train --json real-train.json
    python benchmarks/encoder_real.py --set crchisto --json real-crchisto.json
    python benchmarks/encoder_trial.py trial --json trial.json                  # seed 100
    python benchmarks/encoder_trial.py other-trial --json other-trial.json      # seed 101, 40 patients
    python benchmarks/encoder_simulated.py --json simulated.json
    python benchmarks/encoder_speed.py --json speed.json
    python benchmarks/encoder_card.py real-test.json real-train.json real-crchisto.json trial.json \\
        other-trial.json simulated.json speed.json

Figures that belong to other weights are refused.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from card_table import table
from safetensors import safe_open

from espark.pathology.encoders.mini import SHIPPED, WEIGHTS_FILE

_HEAD = """# espark-mini

Embedded vision-language encoder of espark: H&E tiles of 256 px at 0.5 µm/px and short phrases to vectors of {dim}
numbers of length 1; from a tile's vector the expected number of each of seven cells is read back. For research use
only: not a diagnostic tool.

## What it is

- Network: `espark.models.vision_language.DualEncoder`; {parameters:.1f} million parameters in half precision,
  {megabytes:.1f} MB; MIT licence. A small convolutional tower with a map of cells and tissue half-way up, a one-layer
  text transformer over {words} words, pairwise sigmoid loss.
- Fitted by `make encoder` (`python -m espark.pretrain.make_encoder`; {notes}) on simulated
  tissue alone. No real image was used. On a CPU with one thread the defaults give these very bytes on the machine that
  made them; a GPU is faster and gives weights like them.
- Weights: SHA-256 `{digest}`.
- Words outside the vocabulary are an error that names the nearest word and lists all known ones.

## What the figures can and cannot show

- Development looked at simulated tiles, at virtual trials with seeds 0–99 and at the *train* split of CoNSeP
  (augmentation, which tissue to draw, which words stand for CoNSeP's classes). The *test* split was scored once, with
  these weights. Of the virtual trial with seed 100, twelve external patients were looked at once with an earlier fit
  (it counted debris of necrosis as neutrophils; necrosis without neutrophils was then added to the tissue). The trial
  with seed 101 was never looked at.
- CoNSeP is colon. It has no class for neutrophils (inflammatory cells are one class) and no squamous tumor, so it says
  nothing about neutrophils, the neutrophil-to-lymphocyte ratio or differentiation on real slides. Those were measured
  on simulated slides only, by the same simulator that drew the tissue for fitting: expect less on real slides.
- Intervals are 95 %, bootstrap over source images (CoNSeP), patients (virtual trial) or tiles (simulated tiles); for
  the speed, the range of the repeats.
- Scores that need no encoder stand beside the similarity, each with the sign that suits it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, nargs="+", help="JSON files of the other benchmarks, in their order")
    parser.add_argument("--out", type=Path, default=SHIPPED / "MODEL_CARD.md")
    options = parser.parse_args()
    weights = SHIPPED / WEIGHTS_FILE
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    with safe_open(weights, framework="pt") as handle:
        metadata = dict(handle.metadata())
        parameters = sum(handle.get_tensor(name).numel() for name in handle.keys())  # noqa: SIM118
    shape = json.loads(metadata.pop("shape"))
    head = _HEAD.format(
        dim=shape["dim"],
        parameters=parameters / 1e6,
        megabytes=weights.stat().st_size / 1e6,
        words=shape["words"] - 1,
        notes=", ".join(f"{name} {value}" for name, value in sorted(metadata.items())),
        digest=digest,
    )
    lines = [line for path in options.figures for line in table(path, digest)]
    options.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
