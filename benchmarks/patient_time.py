"""How long a report takes: one new patient from `predict` to the finished page, and a page of a study.

    python benchmarks/patient_time.py STUDY [--patient ID] [--workers N]

STUDY is a finished study with its images; it is left as it is. Wall seconds depend on what else the machine does, so
processor seconds stand beside them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import espark.steps.predict.patient_images as images_step
import espark.steps.predict.predict as step
from espark.steps.predict.new_patient import NewPatient
from espark.steps.predict.predict import predict
from espark.steps.report.report import report
from espark.work.progress import Reporter
from espark.workspace.opened import Workspace, open_workspace

QUIET = Reporter("quiet")
PARTS = {
    "load the model": "load_bundle",
    "read the CT and find its regions": "read_ct_and_regions",
    "radiomics": "measure_regions",
    "slides: tissue, tiles, stain, encoder": "_encoded_slides",
    "explain the answer": "explain_patient",
    "tiles: evidence": "slide_evidence",
    "pictures and words of the page": "patient_report",
    "the page": "render_patient",
    "hashes of the inputs": "fingerprint",
    "manifest": "write_predict_manifest",
}
BEYOND = ("slides: tissue, tiles, stain, encoder", "read the CT and find its regions")


class Clock:
    """Wall and processor seconds of named parts of the step."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function`` with its seconds counted under ``name``."""

        def run(*arguments: Any, **options: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent = self.seconds.setdefault(name, [0.0, 0.0])
                spent[0] += time.perf_counter() - wall
                spent[1] += time.process_time() - cpu

        return run


def new_patient(workspace: Workspace, patient_id: str, out: Path) -> dict[str, Any]:
    """Seconds of `predict`, part by part, for a patient of the study as if new."""
    patient, clock = workspace.cohort[patient_id], Clock()
    for title, name in PARTS.items():
        module = step if hasattr(step, name) else images_step
        setattr(module, name, clock.timed(title, getattr(module, name)))
    files = NewPatient(**vars(patient.files))
    clock.timed("all", predict)(workspace.layout.model("espark"), files, out, show_withheld=True, reporter=QUIET)
    whole = clock.seconds["all"]
    beyond = [whole[place] - sum(clock.seconds.get(part, [0, 0])[place] for part in BEYOND) for place in (0, 1)]
    rounded = {name: {"wall": round(wall, 2), "cpu": round(cpu, 2)} for name, (wall, cpu) in clock.seconds.items()}
    return rounded | {
        "beyond encoder and segmentation": {"wall": round(beyond[0], 2), "cpu": round(beyond[1], 2)},
        "page_mb": round((out / "report.html").stat().st_size / 1e6, 2),
    }


def study_pages(study: Path, workers: int, scratch: Path) -> dict[str, float]:
    """Wall seconds of all pages of a copy of the study, all drawn again, and their size."""
    copy = Path(shutil.copytree(study, scratch / "study"))
    workspace = open_workspace(copy)
    shutil.rmtree(workspace.layout.report.parent, ignore_errors=True)
    start = time.perf_counter()
    written = report(workspace, workers=workers, reporter=QUIET).pages
    wall = time.perf_counter() - start
    sizes = [path.stat().st_size / 1e6 for path in workspace.layout.report.parent.rglob("patients/*.html")]
    return {
        "pages": written,
        "workers": workers,
        "wall": round(wall, 1),
        "wall_a_page": round(wall / written, 2),
        "largest_mb": round(max(sizes), 2),
        "mean_mb": round(sum(sizes) / len(sizes), 2),
    }


def main() -> None:
    """Measure and print as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", type=Path)
    parser.add_argument("--patient", help="Whom to take; by default the first external patient.")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    workspace = open_workspace(arguments.study)
    external = [patient.patient_id for patient in workspace.cohort.used if patient.role == "external"]
    with tempfile.TemporaryDirectory() as folder:
        found = {
            "new patient": new_patient(workspace, arguments.patient or external[0], Path(folder) / "new"),
            "study": study_pages(arguments.study, arguments.workers, Path(folder)),
        }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
