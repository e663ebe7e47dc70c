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

Figures that belong to other weights are refused. ``--keep`` takes the figures that were not measured again from the
present card, if it belongs to these weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path

from card_table import table
from safetensors import safe_open

from espark.pathology.encoders.mini import SHIPPED, WEIGHTS_FILE
from espark.pretrain.make_encoder import FIT

_HEAD = """# espark-mini

Embedded vision-language encoder of espark: H&E tiles of 256 px at 0.5 µm/px and short phrases to vectors of {dim}
numbers of length 1; from a tile's vector the expected number of each of seven cells is read back. For research use
only: not a diagnostic tool.

## What it cannot do

It was fitted on drawn tissue. On real slides its words and counts are rough. Measured on colon tissue that it never
saw (CoNSeP, CRCHistoPhenotypes), with the words and counts that a study uses:

{limits}
- It was never measured on a real slide with neutrophils or a squamous tumor. On real slides, tissue NLR and
  differentiation have no proof at all.
- "Squamous cell carcinoma" and "tumor cell" do not separate a squamous tumor from a glandular one.

## What it is

- Network: `espark.models.vision_language.DualEncoder`; {parameters:.1f} million parameters in half precision,
  {megabytes:.1f} MB; MIT licence. A small convolutional tower with a map of cells and tissue half-way up, a one-layer
  text transformer over {words} words, pairwise sigmoid loss.
- Fitted by `make encoder` (`python -m espark.pretrain.make_encoder`; {notes}) on simulated
  tissue alone. No real image was used. {origin}
- Weights: SHA-256 `{digest}`.
- Words outside the vocabulary are an error that names the nearest word and lists all known ones.

## What the figures can and cannot show

- Development looked at simulated tiles, at virtual trials with seeds 0–99, at the *train* split of CoNSeP and at 30
  fields of CRCHistoPhenotypes. The *test* split of CoNSeP was looked at whenever weights were finished. Of the virtual
  trial with seed 100, twelve external patients were looked at once with an earlier fit (it counted debris of necrosis
  as neutrophils; necrosis without neutrophils was then added to the tissue). The trial with seed 101 was never looked
  at.
- Both real sets are colon. They have no class for neutrophils (inflammatory cells are one class) and no squamous
  tumor, so they say nothing about neutrophils, the neutrophil-to-lymphocyte ratio or differentiation. Those were
  measured on simulated slides only, by the same simulator that drew the tissue for fitting: expect less on real slides.
- Intervals are 95 %, bootstrap over fields (real tissue), patients (virtual trial) or tiles (simulated tiles); for
  the speed, the range of the repeats.
- Scores that need no encoder are given beside the words and counts, each with the sign that suits it.
"""


_SAME = """On a CPU with one thread the command gives these very bytes on the machine that made them; a GPU
  is faster and gives weights like them."""
_EARLIER = """These weights come from an earlier fit, which drew the tissue of the virtual
  trial alone. Today the command gives other weights."""

_LIMITS = (
    ("tile, inflammatory against epithelial, AUC", "words ×1",
     '"immune cell" against "tumor cell", tiles rich in one or the other: AUC {}'),
    ("tile, fibroblast against epithelial, AUC", "words ×1", '"stromal cell" against "tumor cell": AUC {}'),
    ("tile ×1, all expected / all true", "all cells", "all expected cells over all nuclei: {}"),
    ("tile ×1, expected with true count, Spearman", "immune, inflammatory",
     "expected immune cells with inflammatory nuclei, rank correlation: {}"),
    ("tile ×1 without a nucleus, expected cells a tile", "mean",
     "cells that it expects in a tile without a nucleus: {}"),
    ("tile ×1, dense infiltrate, expected over all nuclei", "tumor cells",
     "tumor cells that it expects for each nucleus of a dense infiltrate: {}"),
)  # fmt: skip


def limits(paths: list[Path]) -> str:
    """What the encoder can do on real tissue, set by set, in the words of a study."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in paths:
        for figure in json.loads(path.read_text())["figures"]:
            name, _, task = figure["task"].partition(", ")
            interval = "" if figure["low"] is None else f" ({figure['low']:.2f} to {figure['high']:.2f})"
            found.setdefault((task, figure["score"]), []).append(f"{figure['value']:.2f}{interval} in {name}")
    return "\n".join(
        f"- {sentence.format(', '.join(found[task, score]))}."
        for task, score, sentence in _LIMITS
        if (task, score) in found
    )


def kept_sections(card: str, commands: set[str]) -> list[str]:
    """Lines of the sections of a card that belong to other commands."""
    sections = card.split("\n## `")[1:]
    return [line for part in sections if part.split("`")[0] not in commands
            for line in ["", *f"## `{part}".rstrip("\n").split("\n")]]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("figures", type=Path, nargs="+", help="JSON files of the other benchmarks, in their order")
    parser.add_argument("--keep", action="store_true", help="keep the other figures of the present card")
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
        origin=_SAME if metadata.get("fit") == str(FIT) else _EARLIER,
        limits=limits([path for path in options.figures if "encoder_real" in path.read_text()]),
    )
    lines = [line for path in options.figures for line in table(path, digest)]
    if options.keep:
        card = options.out.read_text(encoding="utf-8")
        if digest not in card:
            raise SystemExit(f"{options.out} belongs to other weights: measure everything again")
        lines += kept_sections(card, {json.loads(path.read_text())["command"] for path in options.figures})
    options.out.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
