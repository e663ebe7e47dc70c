"""An item of `prepare`: one image of a patient, and everything that what is made of it depends on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from espark._version import __version__
from espark.ct.regions.label_map import names_beside
from espark.ct.segmentation.catalogue import SEGMENTERS
from espark.ct.segmentation.weights_file import SHIPPED, WEIGHTS_FILE
from espark.files import canonical_json, digest, fingerprint
from espark.pathology.cytology import Cytology
from espark.pathology.encoders.catalogue import ENCODERS
from espark.pathology.encoders.load import EMBEDDED
from espark.pathology.left_out import Polygon
from espark.pathology.slide import slide_files
from espark.pathology.stain.normalizer import profile_to_json
from espark.steps.prepare.image_scale import image_key
from espark.steps.prepare.patient_ct import segmenter_weights
from espark.steps.prepare.slide_tools import study_stain, study_tools
from espark.workspace.cohort import Patient
from espark.workspace.config import CtSettings, SlideSettings
from espark.workspace.layout import StudyLayout
from espark.workspace.opened import Workspace
from espark.workspace.patient_files import PatientFiles
from espark.workspace.slide_polygons import polygons_of

SEGMENTER_WEIGHTS = "segmenter_weights"
"""Name of the setting that identifies the weights which found the regions of a CT."""

_SEGMENTER = ("segmenter", SEGMENTER_WEIGHTS)
_STABILITY = ("stability_patients", "stability_draws", "stability_mm")
# Settings that count only where they matter, so that what they do not touch stays done.
_KEYED_APART = {*_SEGMENTER, *_STABILITY, "ring_mm", "tumor_roi", "esophagus_roi", "outline"}


@dataclass(frozen=True)
class Item:
    """One image of a patient.

    Attributes:
        layout: the study folder.
        patient: whose image.
        name: ``ct``, or the name of the slide in the study, such as ``slide-1``.
        slide: file of the slide; None for the CT.
        ct: section ``[ct]`` of study.toml.
        slides: section ``[slides]``.
        cytology: cell types and prompts.
        repeats: how often the features are measured again on perturbed contours.
        image_model: the CT model, where it looks at the image itself; empty otherwise.
    """

    layout: StudyLayout
    patient: Patient
    name: str
    slide: Path | None
    ct: CtSettings
    slides: SlideSettings
    cytology: Cytology
    repeats: int = 0
    image_model: str = ""

    @property
    def is_segmented(self) -> bool:
        """Whether the regions of this CT are found by the study's segmenter."""
        return self.slide is None and not self.patient.files.has_regions

    @property
    def polygons(self) -> tuple[Polygon, ...]:
        """Parts of the slide that a person left out, or took alone, in the workbench."""
        return polygons_of(self.layout, self.patient.patient_id, self.name)

    def files(self) -> dict[str, Path]:
        """The files and folders that the item is made of, by role: ``ct``, ``tumor_mask``, ``slide`` …."""
        if self.slide is not None:
            numbered = enumerate(slide_files(self.slide))
            return {f"slide-{number}" if number else "slide": path for number, path in numbered}
        files = self.patient.files
        found = {field: path for field, path in files.paths() if field != "slides"}
        return found | {f"labels-{number}": path for number, path in enumerate(_names_of_labels(files))}

    def fingerprints(self) -> dict[str, str]:
        """Hash of each of these files, by role."""
        return {role: fingerprint(path) for role, path in self.files().items()}

    def key(self, fingerprints: Mapping[str, str] | None = None) -> str:
        """Hash of the image, its regions and the settings.

        Args:
            fingerprints: those of the files, where they are known already.
        """
        hashes = self.fingerprints() if fingerprints is None else fingerprints
        if self.slide is not None:
            tools = study_tools(self.layout.root, self.slides, self.cytology)
            settings = tools.identity() | {"slide_mpp": self.patient.files.slide_mpp} | self._polygon_settings()
        else:
            settings = self._ct_settings()
            settings |= self._segmenter_files() if self.is_segmented else {}
        return digest([__version__, self.name, list(hashes.values()), settings])

    def settings(self, segmenter_weights: str = "") -> dict[str, Any]:
        """The settings that go into the record, as JSON values, for steps that must know how an image was prepared.

        Nothing is in them that the key does not depend on: an item that is done keeps the ones it has.

        Args:
            segmenter_weights: what identifies the weights of the study's segmenter; empty when they are not here.
        """
        if self.slide is not None:
            found = self._slide_settings()
        else:
            found = self._ct_settings()
            if self.is_segmented:
                found |= {"segmenter": self.ct.segmenter, SEGMENTER_WEIGHTS: segmenter_weights}
                found |= SEGMENTERS.origin(self.ct.segmenter)
        parsed: dict[str, Any] = json.loads(canonical_json(found))
        return parsed

    def _slide_settings(self) -> dict[str, Any]:
        """Settings of a slide; weights and precision of the encoder are in its features."""
        chosen, stain = self.slides, study_stain(self.layout.root, self.slides)
        named = chosen.encoder_name if chosen.encoder != EMBEDDED else ""
        return {
            "encoder": chosen.encoder,
            "encoder_name": named or chosen.encoder,
            "min_tissue": chosen.min_tissue,
            "stain": chosen.stain,
            "stain_target": digest(profile_to_json(stain.target)) if stain else "",
            "prompts": digest(self.cytology.prompts) if ENCODERS[chosen.encoder].text else "",
            "slide_mpp": self.patient.files.slide_mpp,
            **ENCODERS.origin(chosen.encoder),
            **self._polygon_settings(),
            **self._probe_settings(),
        }

    def _polygon_settings(self) -> dict[str, Any]:
        """Only where there are polygons, so that the slides without them stay done."""
        drawn = [polygon.model_dump(mode="json") for polygon in self.polygons]
        return {"polygons": digest(drawn)} if drawn else {}

    def _probe_settings(self) -> dict[str, Any]:
        if not self.slides.cell_probe:
            return {}
        path = self.layout.root / self.slides.cell_probe
        return {"cell_probe": fingerprint(path) if path.is_file() else "", "cell_types": self.cytology.keys}

    def _ct_settings(self) -> dict[str, Any]:
        """What the features of a CT depend on beside its files; of the segmenter only whether a tumor is proposed."""
        files = self.patient.files
        settings = self.ct.model_dump(mode="json", exclude=_KEYED_APART)
        settings |= {"tumor_roi": files.tumor_roi, "esophagus_roi": files.esophagus_roi}
        settings |= {"ct_series": files.ct_series} if files.ct_series else {}
        settings |= {"regions": "rejected"} if files.rejected_by else {}
        settings |= {"masks": [files.esophagus_mask is not None, files.tumor_mask is not None]}
        settings |= {"outline": self.ct.outline} if files.rtstruct is not None else {}
        settings |= {"ring_mm": self.ct.ring_mm} if self.ct.ring_mm else {}
        settings |= image_key(self.image_model)
        if files.has_regions and files.tumor_mask is None:
            settings |= {"propose_tumor": self.ct.segmenter != "masks"}
        if self.repeats:
            settings |= {name: getattr(self.ct, name) for name in _STABILITY[1:]}
        return settings

    def _segmenter_files(self) -> dict[str, Any]:
        """Name of the segmenter and hash of its files, as every record of a CT without a region has them."""
        weights = segmenter_weights(self.ct, self.layout.root)
        if weights is None and self.ct.segmenter == "espark-mini-seg":
            weights = SHIPPED / WEIGHTS_FILE
        found = fingerprint(weights) if weights is not None and weights.exists() else ""
        return {"segmenter": self.ct.segmenter, "weights": found} | SEGMENTERS.origin(self.ct.segmenter)


def study_items(workspace: Workspace) -> Iterator[Item]:
    """Every image of the study's patients, in the order of the cohort."""
    config = workspace.config
    repeated = _repeated(workspace)
    for patient in workspace.cohort.used:
        sources: list[tuple[str, Path | None]] = [("ct", None)] if patient.files.ct else []
        sources += patient.files.named_slides.items()
        for name, slide in sources:
            repeats = config.ct.stability_draws if slide is None and patient.patient_id in repeated else 0
            settings = (config.ct, config.slides, workspace.cytology)
            looking = config.mscalect.image_model if slide is None else ""
            yield Item(workspace.layout, patient, name, slide, *settings, repeats, looking)


def _names_of_labels(files: PatientFiles) -> list[Path]:
    """Files beside the masks that say which label a named region is."""
    masks = ((files.esophagus_mask, files.esophagus_roi), (files.tumor_mask, files.tumor_roi))
    return [path for mask, roi in masks if mask is not None and roi for path in names_beside(mask)]


def _repeated(workspace: Workspace) -> set[str]:
    """Development patients whose contours are perturbed: evenly spread over the table."""
    with_ct = [patient.patient_id for patient in workspace.cohort.development if patient.files.ct is not None]
    count = min(workspace.config.ct.stability_patients, len(with_ct))
    return {with_ct[index] for index in np.linspace(0, len(with_ct) - 1, count).round().astype(int)}
