"""Do the tests bite? Thirty faults as they really happen, one at a time: how many do the tests see?

    make mutants
    python tests/mutants.py --only ring          # those whose room or description has the word

Each mutant is a line of the program that somebody could have written wrongly (a sign, an axis, voxels for mm, a leak).
The tree is copied to a temporary folder, one mutant is put in, and the tests that are responsible for it run until one
fails. The tests must pass without a mutant. The exit status is 1 when more than two mutants go unnoticed, or when a
mutant no longer fits the code: then write it anew for the code as it is.

mutmut and cosmic-ray were looked at: they change every operator and need the whole suite for each change, which takes
days here, and cannot express a wrong unit or a leak; so this is a list chosen by hand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

ROOT = Path(__file__).parents[1]
COPIED = ("src", "tests", "benchmarks", "examples", "docs", "pyproject.toml", "README.md", "Makefile", "LICENSE")
MOST_MISSED = 2
_FAILED_TESTS = 1  # what pytest exits with


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        room: where it is.
        text: what stands in the code, in one place of one file.
        replacement: the text that replaces it.
        breaks: what is wrong then.
        tests: names of the files whose tests are responsible.
    """

    room: str
    text: str
    replacement: str
    breaks: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant("ground", "* index // (_SAMPLED_BLOCKS - 1))", "* index // _SAMPLED_BLOCKS)",
           "the end of a large file is not hashed", ("test_files.py",)),
    Mutant("ground", "in enumerate(text.splitlines(), start=1)", "in enumerate(text.splitlines())",
           "an error in study.toml names the line before", ("test_config.py",)),
    Mutant("workspace", "== content for path, content in paths.items())", "!= '' for path, content in paths.items())",
           "a spoilt artefact counts as done", ("test_records.py",)),
    Mutant("workspace", "self.study.seed * 65536 + fold", "self.study.seed + fold",
           "seeds 1 and 2 share all folds but one", ("test_config.py",)),
    Mutant("models", "without_padding(-weights, real)", "without_padding(weights, real)",
           "CLAM's least attended tiles are its most attended", ("test_aggregators.py",)),
    Mutant("models", "(torch.rand_like(count) < probability) & (count > 1)",
           "(torch.rand_like(count) < probability) & (count > 0)",
           "a patient's only scale is hidden in training", ("test_networks.py",)),
    Mutant("models", "(self._own(vectors) * known[..., None]).sum(dim=1) / known.sum(dim=1, keepdim=True)",
           "(self._own(vectors) * known[..., None]).mean(dim=1)",
           "late fusion divides by modalities that are missing", ("test_fusions.py",)),
    Mutant("ct", "origin = (size - 1) / 2 - (grid - 1) / 2 * new / old", "origin = 0 * size + (new / old - 1) / 2",
           "features lie on a grid aligned at a corner instead of the centre", ("test_radiomics.py", "test_ibsi.py")),
    Mutant("ct", "distance_transform_edt(~inside, sampling=spacing)", "distance_transform_edt(~inside)",
           "the ring around the tumor is in voxels instead of mm", ("test_ct_ring.py",)),
    Mutant("ct", "clip=settings.hu_range,", "clip=None,",
           "metal is not clipped before it is interpolated", ("test_radiomics.py",)),
    Mutant("ct", "image.SetSpacing((first.pixel_mm[1], first.pixel_mm[0], stack.gap_mm))",
           "image.SetSpacing((first.pixel_mm[0], first.pixel_mm[1], stack.gap_mm))",
           "row and column spacing of a CT are swapped", ("test_ct_dicom.py",)),
    Mutant("ct", "_SMOOTH_MM / 2 / slice_mm", "_SMOOTH_MM / 2",
           "the wall of the esophagus is smoothed in slices instead of mm", ("test_esophageal_wall.py",)),
    Mutant("pathology", "np.meshgrid(np.rint(np.arange(columns) * size), np.rint(np.arange(rows) * size))",
           "np.meshgrid(np.arange(columns) * round(size), np.arange(rows) * round(size))",
           "rounding adds up over the tile grid", ("test_tiles.py",)),
    Mutant("pathology", "order = [0, 1] if dyes[0, 0] > dyes[1, 0] else [1, 0]",
           "order = [0, 1] if dyes[0, 0] < dyes[1, 0] else [1, 0]",
           "hematoxylin and eosin are swapped", ("test_stain.py",)),
    Mutant("pathology", "np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)",
           "np.asarray(vectors, dtype=np.float32)",
           "the vector of a cell type is not of length 1", ("test_cell_types.py",)),
    Mutant("statistics", "variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]",
           "variance = covariance[0, 0] + covariance[1, 1]",
           "two models on the same patients are compared as if on different ones", ("test_auc.py",)),
    Mutant("statistics", "known.std(ddof=1) / math.sqrt(len(known))", "known.std() / math.sqrt(len(known))",
           "the interval of a mean uses the population's SD", ("test_overlap.py",)),
    Mutant("statistics", "labels.sum() * (~labels).sum() / (labels.size + 1)", "labels.sum() * (~labels).sum()",
           "centers weigh by their pairs instead of van Elteren's weights", ("test_stratified.py",)),
    Mutant("training", "np.flatnonzero(folds == fold), folds != fold", "np.flatnonzero(folds == fold), folds >= 0",
           "a patient's own outcome decides on its threshold", ("test_training.py",)),
    Mutant("training", "point = points[modality]", "point = next(iter(points.values()))",
           "CT alone is calibrated as CT and slides", ("test_modalities.py",)),
    Mutant("training", "self.sd.masked_fill(torch.from_numpy(left_out), torch.inf)",
           "self.sd.masked_fill(torch.from_numpy(left_out), 1.0)",
           "features that are left out stay in, unscaled", ("test_stability_filter.py", "test_feature_choice.py")),
    Mutant("bundle", "if _sha256(content) != card.files[name]:", "if not content:",
           "damaged weights of a model are used", ("test_bundle_folder.py",)),
    Mutant("training", "tiles[::step][:_TILES]", "tiles[:_TILES]",
           "applicability sees the top of a slide only", ("test_views.py",)),
    Mutant("explain", "np.triu_indices(len(rows), k=1)", "np.triu_indices(len(rows), k=0)",
           "a model agrees with itself", ("test_ct_attribution.py",)),
    Mutant("explain", 'outside = correct["role"] != "development"', 'outside = correct["role"] == "development"',
           "the pair to look at is taken from patients the model was trained on", ("test_ct_pair.py",)),
    Mutant("plots", "(features.coords[index].astype(np.float64) - origin)",
           "(features.coords[index].astype(np.float64) + origin)",
           "tiles lie beside the tissue in QuPath", ("test_geojson.py",)),
    Mutant("report", "high=_place(mean + sd)", "high=_place(mean + 2 * sd)",
           "the bar shows two SD on one side", ("test_patient_page.py", "test_bar.py")),
    Mutant("simulate", "mean_probability(mean, np.sqrt(max(float(variance), 0.0)))",
           "mean_probability(mean, max(float(variance), 0.0))",
           "the oracle takes a variance for a standard deviation", ("test_biology.py",)),
    Mutant("steps", "errors = (high - low) / (2 * Z_95)", "errors = (high - low) / Z_95",
           "standard errors of the centers are twice as large", ("test_biomarker_tests.py",)),
    Mutant("steps", "if float(value) <= cut else", "if float(value) < cut else",
           "patients at the median are in the upper half", ("test_evaluation_tables.py",)),
    Mutant("estimators", "Inputs(ids, scales, feature_names, radiomics[:, order], bags)",
           "Inputs(ids, scales, feature_names, radiomics, bags)",
           "columns of tumor and esophagus are exchanged", ("test_estimators.py",)),
)  # fmt: skip


def places(text: str) -> list[Path]:
    """The file below `src` in which a text stands, once for each time it does."""
    found = []
    for path in sorted((ROOT / "src").rglob("*.py")):
        found += [path.relative_to(ROOT)] * path.read_text(encoding="utf-8").count(text)
    return found


def test_files(names: tuple[str, ...]) -> list[str]:
    """The test files of these names, wherever they lie."""
    return [str(path.relative_to(ROOT)) for name in names for path in sorted((ROOT / "tests").rglob(name))]


def complaints(mutants: tuple[Mutant, ...]) -> list[str]:
    """What no longer fits the code."""
    found = []
    for mutant in mutants:
        count = len(places(mutant.text))
        if count != 1:
            what = "snippet not found" if count == 0 else f"snippet found {count} times instead of once"
            found.append(f"{what} in src: {mutant.text!r} ({mutant.breaks})")
        found += [f"test file not found: {name} ({mutant.breaks})" for name in mutant.tests if not test_files((name,))]
    return found


def copy_tree(folder: Path) -> Path:
    """A copy of the tree in which mutants may be put."""
    without = shutil.ignore_patterns("__pycache__", ".*")
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=without)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def run_tests(tree: Path, files: list[str]) -> int:
    """Exit status of the fast tests of some files."""
    environment = {
        "ESPARK_TEST_DATA": str(ROOT.parent / "shared" / "data"),
        **os.environ,
        "PYTHONPATH": str(tree / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",  # a mutant of the same length and second would be taken from the cache
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, check=False).returncode


def is_caught(tree: Path, mutant: Mutant) -> bool:
    """Whether a test fails with the mutant.

    Raises:
        RuntimeError: when the tests could not be run.
    """
    (place,) = places(mutant.text)
    whole = (ROOT / place).read_text(encoding="utf-8")
    (tree / place).write_text(whole.replace(mutant.text, mutant.replacement), encoding="utf-8")
    try:
        status = run_tests(tree, test_files(mutant.tests))
    finally:
        (tree / place).write_text(whole, encoding="utf-8")
    if status not in (0, _FAILED_TESTS):
        raise RuntimeError(f"pytest ended with {status}: {mutant.breaks}")
    return status == _FAILED_TESTS


def judged(mutants: tuple[Mutant, ...], workers: int) -> list[bool]:
    """Whether each mutant is caught, in as many copies of the tree as there are workers.

    Raises:
        SystemExit: when the tests fail without a mutant.
    """
    trees: SimpleQueue[Path] = SimpleQueue()

    def judge(mutant: Mutant) -> bool:
        tree = trees.get()
        try:
            caught = is_caught(tree, mutant)
        finally:
            trees.put(tree)
        print(f"{'caught' if caught else 'NOT CAUGHT':<10}  {mutant.room:<10}  {mutant.breaks}", flush=True)
        return caught

    with tempfile.TemporaryDirectory() as temporary:
        for number in range(workers):
            trees.put(copy_tree(Path(temporary) / str(number)))
        files = sorted({file for mutant in mutants for file in test_files(mutant.tests)})
        if run_tests(Path(temporary) / "0", files) != 0:
            raise SystemExit("the tests do not pass as they are; run them first: " + " ".join(files))
        with ThreadPoolExecutor(workers) as pool:
            return list(pool.map(judge, mutants))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutants whose room or description has this word")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    mutants = tuple(mutant for mutant in MUTANTS if options.only in f"{mutant.room} {mutant.breaks}")
    problems = complaints(mutants)
    if problems:
        raise SystemExit("\n".join(problems))
    missed = judged(mutants, options.workers).count(False)
    print(f"{len(mutants) - missed} of {len(mutants)} mutants are caught")
    sys.exit(missed > MOST_MISSED)


if __name__ == "__main__":
    main()
