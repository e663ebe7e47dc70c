"""The phrase bank: what can be said about a view, and how true each phrase is of it.

A thing's amount is a number of cells per tile of 256 px, or a share of the area. "A lymphocyte" is graded: half true at
the thing's usual amount, and its log-odds grow with the logarithm of the amount, so that similarity orders tiles by
how much there is. "Many", "few", "no" and comparisons are yes-or-no, and undecided where a reader would be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from espark.cells import COUNTED_CELLS, PROMPT_TEMPLATES
from espark.pretrain.encoder_pieces import AREAS, KIND_NAMES
from espark.simulate.histology.nuclei_kinds import KINDS

_EXPONENT = 1.6
_FLOOR = 0.02


@dataclass(frozen=True)
class Thing:
    """Something that can be named.

    Attributes:
        names: words for it, singular.
        usual: the amount at which its presence is half true.
        kinds: kinds of cells that are it; its amount is their number per tile.
        areas: tissue classes that are it, where it is not counted; its amount is their share of the area.
        vague: kinds that some would call it: where they abound, nothing is said.
    """

    names: tuple[str, ...]
    usual: float
    kinds: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    vague: tuple[str, ...] = ()


def _counted(*keys: str) -> tuple[str, ...]:
    return tuple(kind.name for kind in KINDS if kind.cell in keys)


_WELL, _POOR = _counted("well_differentiated_tumor_cell"), _counted("poorly_differentiated_tumor_cell")
_GLAND = ("gland", "gland_tall")
_SQUAMOUS, _STROMAL = _counted("squamous_cell"), _counted("stromal_cell")

THINGS: tuple[Thing, ...] = (
    Thing(("lymphocyte", "lymphoid cell", "lymphocytic infiltrate", "small round lymphocyte",
           "mononuclear immune cell"), 8.0, _counted("lymphocyte")),
    Thing(("plasma cell",), 3.0, ("plasma",)),
    Thing(("neutrophil", "granulocyte", "neutrophilic granulocyte", "polymorphonuclear leukocyte",
           "segmented granulocyte", "neutrophilic infiltrate", "lobed nucleus"), 4.0, _counted("neutrophil"),
          vague=("eosinophil",)),
    Thing(("eosinophil", "eosinophilic granulocyte"), 2.0, ("eosinophil",)),
    Thing(("immune cell", "inflammatory cell", "leukocyte", "inflammatory infiltrate", "immune infiltrate",
           "inflammation", "immune infiltration"), 13.0, (*_counted("lymphocyte", "neutrophil"), "eosinophil")),
    Thing(("tumor cell", "cancer cell", "malignant cell", "neoplastic cell", "tumor", "cancer", "viable tumor"),
          18.0, _WELL + _POOR),
    Thing(("squamous cell carcinoma", "squamous cell carcinoma cell", "squamous carcinoma", "carcinoma",
           "carcinoma cell", "esophageal squamous cell carcinoma", "tumor nest", "esophageal cancer"),
          18.0, _WELL + _POOR),
    Thing(("well differentiated tumor cell", "well differentiated squamous cell carcinoma", "low grade tumor cell",
           "well differentiated cancer cell", "well differentiated carcinoma", "low grade carcinoma"), 14.0, _WELL),
    Thing(("poorly differentiated tumor cell", "poorly differentiated squamous cell carcinoma", "high grade tumor cell",
           "poorly differentiated cancer cell", "poorly differentiated carcinoma", "pleomorphic tumor cell",
           "high grade carcinoma"), 18.0, _POOR),
    Thing(("hyperchromatic nucleus", "hyperchromatic tumor cell"), 8.0, ("poor_dark",)),
    Thing(("mitosis", "mitotic tumor cell", "mitotic cell"), 1.0, ("mitosis",)),
    Thing(("stromal cell", "spindle cell", "connective tissue cell", "elongated spindle nucleus"), 12.0, _STROMAL,
          vague=("endothelium",)),
    Thing(("fibroblast", "stromal fibroblast"), 10.0, ("fibroblast", "plump"), vague=("muscle",)),
    Thing(("endothelial cell", "endothelium", "vascular endothelial cell"), 4.0, _counted("endothelial_cell")),
    Thing(("squamous cell", "benign squamous cell", "normal squamous cell", "squamous epithelial cell",
           "healthy squamous cell"), 14.0, _SQUAMOUS),
    Thing(("epithelial cell", "epithelium"), 22.0, (*_WELL, *_POOR, *_SQUAMOUS, *_GLAND)),
    Thing(("glandular cell", "glandular epithelium", "glandular epithelial cell"), 12.0, _GLAND),
    Thing(("goblet cell", "mucous cell"), 2.0, ("goblet", "mucin")),
    Thing(("red blood cell", "erythrocyte", "red cell"), 18.0, ("red",)),
    Thing(("muscle cell", "smooth muscle cell"), 8.0, ("muscle",)),
    Thing(("stroma", "connective tissue", "fibrous tissue", "collagen fiber", "fibrous stroma", "desmoplastic stroma",
           "collagen"), 0.35, areas=("stroma",)),
    Thing(("tumor region", "malignant epithelium", "neoplastic epithelium"), 0.3, areas=("tumor",)),
    Thing(("squamous epithelium", "normal squamous epithelium", "esophageal mucosa", "squamous mucosa",
           "benign squamous epithelium", "normal mucosa", "healthy epithelium"), 0.25, areas=("squamous",)),
    Thing(("necrosis", "necrotic debris", "dead tissue", "necrotic tissue", "dead cell debris"), 0.12,
          areas=("necrosis",)),
    Thing(("smooth muscle", "muscle", "muscle layer", "muscle tissue"), 0.25, areas=("muscle",)),
    Thing(("fat", "adipose tissue", "fatty tissue"), 0.2, areas=("fat",)),
    Thing(("hemorrhage", "blood"), 0.2, areas=("blood",)),
    Thing(("crushed tissue", "crushed cell", "crushed nucleus", "crushed artifact"), 0.15, areas=("crushed",)),
    Thing(("keratin pearl", "keratin", "keratinization", "keratinizing squamous cell carcinoma"), 0.03,
          areas=("keratin",)),
    Thing(("gland", "mucous gland", "submucosal gland", "glandular tissue"), 0.08, areas=("gland",)),
    Thing(("blood vessel", "vessel", "capillary", "vascular tissue"), 0.03, areas=("vessel",)),
    Thing(("empty glass", "white background", "empty area", "background without tissue"), 0.3, areas=("-tissue",)),
)  # fmt: skip

_MANY = ("many {}", "numerous {}", "abundant {}", "dense {}", "rich in {}", "{} are numerous", "a field of many {}")
_FEW = ("few {}", "scattered {}", "rare {}", "a few {}", "only few {}")
_NONE = ("no {}", "without {}", "{} absent", "tissue without {}", "free of {}", "an image without {}")
_SAID = (
    *PROMPT_TEMPLATES,
    "biopsy with {}", "a region of {}", "{} visible", "{} in the tissue", "a patch of {}", "micrograph of {}",
    "hematoxylin and eosin stain of {}", "a histologic section of {}", "pathology image containing {}",
    "high power field with {}", "a large area of {}",
    "picture of {}", "some {}", "stained tissue with {}",
)  # fmt: skip

_COMPARED: tuple[tuple[str, str], ...] = (
    ("neutrophil", "lymphocyte"),
    ("tumor cell", "stromal cell"),
    ("well differentiated tumor cell", "poorly differentiated tumor cell"),
    ("immune cell", "tumor cell"),
    ("tumor cell", "squamous cell"),
    ("immune cell", "stromal cell"),
    ("epithelial cell", "immune cell"),
    ("epithelial cell", "stromal cell"),
)
_BY_NAME = {thing.names[0]: index for index, thing in enumerate(THINGS)}
_KIND_MATRIX = np.array([[kind in thing.kinds for thing in THINGS] for kind in KIND_NAMES], dtype=np.float32)
_VAGUE_MATRIX = np.array([[kind in thing.vague for thing in THINGS] for kind in KIND_NAMES], dtype=np.float32)
_AREA_MATRIX = np.array([[area in thing.areas for thing in THINGS] for area in AREAS], dtype=np.float32)
_USUAL = np.array([thing.usual for thing in THINGS], dtype=np.float32)
COUNT_PARTS = torch.tensor([[float(kind.cell == key) for key in COUNTED_CELLS] for kind in KINDS])
"""Which kinds (rows) are which of `COUNTED_CELLS` (columns)."""


@dataclass(frozen=True)
class Questions:
    """Phrases and how true they are of a batch of views.

    Attributes:
        phrases: m phrases.
        truth: float32 (n, m), 0 false … 1 true.
        known: float32 (n, m), 1 where the truth is known, else 0.
    """

    phrases: list[str]
    truth: Tensor
    known: Tensor


def amounts(counts: Tensor, areas: Tensor) -> tuple[Tensor, Tensor]:
    """Amount of each thing relative to its usual one, (n, things), and whether it is beyond dispute (n, things)."""
    found = counts @ torch.from_numpy(_KIND_MATRIX) + areas @ torch.from_numpy(_AREA_MATRIX)
    empty = [index for index, thing in enumerate(THINGS) if "-tissue" in thing.areas]
    found[:, empty] = 1.0 - areas[:, [AREAS.index("tissue")]]
    vague = counts @ torch.from_numpy(_VAGUE_MATRIX)
    return found / torch.from_numpy(_USUAL), (vague <= 0.25 * found + 2.0).float()


def ask(counts: Tensor, areas: Tensor, rng: np.random.Generator) -> Questions:
    """Draw phrases about all things and answer them.

    Args:
        counts: float32 (n, kinds), cells per tile.
        areas: float32 (n, areas), shares.
        rng: source of what is asked, and how.
    """
    found, clear = amounts(counts, areas)
    phrases: list[str] = []
    truth: list[Tensor] = []
    known: list[Tensor] = []

    def add(phrase: str, answer: Tensor, sure: Tensor) -> None:
        phrases.append(phrase)
        truth.append(answer)
        known.append(sure)

    for index, thing in enumerate(THINGS):
        amount, undisputed = found[:, index], clear[:, index]
        for name in {thing.names[0], str(rng.choice(thing.names))}:
            add(_say(_SAID, name, rng), graded(amount), undisputed)
        if rng.random() < 0.5:
            name = str(rng.choice(thing.names))
            templates, yes, no = _quantified(amount, rng)
            add(_say(templates, name, rng), yes.float(), (yes | no).float() * undisputed)
    for first, second in _COMPARED:
        a, b = (found[:, _BY_NAME[name]] * THINGS[_BY_NAME[name]].usual for name in (first, second))
        if rng.random() < 0.5:
            first, second, a, b = second, first, b, a
        add(f"more {first}s than {second}s", (a > 1.5 * b + 2.0).float(), ((a > 1.5 * b + 2.0) | (b >= a)).float())
    return Questions(phrases, torch.stack(truth, dim=1), torch.stack(known, dim=1))


def graded(amount: Tensor) -> Tensor:
    """Truth of a plain mention, from the relative amount: 0.5 at 1, within 0.02 to 0.98."""
    powered = amount.clamp(min=0.0) ** _EXPONENT
    return (powered / (powered + 1.0)).clamp(_FLOOR, 1.0 - _FLOOR)


def _quantified(amount: Tensor, rng: np.random.Generator) -> tuple[tuple[str, ...], Tensor, Tensor]:
    """Templates of one quantifier, and where it is true and where it is false."""
    which = int(rng.integers(4))  # half of the questions ask for none
    if which == 0:
        return _MANY, amount >= 2.0, amount <= 0.8
    if which == 1:
        return _FEW, (amount > 0.08) & (amount <= 0.5), (amount <= 0.0) | (amount >= 1.5)
    return _NONE, amount <= 0.0, amount >= 0.4


def _say(templates: tuple[str, ...], name: str, rng: np.random.Generator) -> str:
    return templates[int(rng.integers(len(templates)))].format(name)
