"""Prepared artefacts to model inputs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from espark.bundle.card import EncoderCard, RadiomicsCard, SegmenterCard
from espark.errors import FeatureError, MissingStepError
from espark.pathology.encoders.load import EMBEDDED
from espark.pathology.features import SlideFeatures, read_slide_features
from espark.steps.prepare.as_prepared import check_as_prepared
from espark.steps.prepare.imported_slides import (
    TileSource,
    disagreements,
    feature_files_of,
    find_feature_files,
)
from espark.steps.prepare.prepare import radiomics_settings
from espark.steps.prepare.unchanged import check_unchanged
from espark.training.inputs import Bag, Inputs
from espark.types import SCALES, FloatArray, Precision, Scale
from espark.workspace.cohort import Patient
from espark.workspace.opened import Workspace
from espark.workspace.stored import stored_content, stored_table


@dataclass(frozen=True)
class StudyInputs:
    """Model inputs of every used patient, and how they were made.

    Attributes:
        inputs: radiomics and bags, in the order of the cohort.
        segmenter: what finds the regions of a new CT; None when nothing identifies it.
        radiomics: how the CT features were made; None when there are none.
        encoder: how the tile features were made; None when there are none.
        counts: by patient, the expected cell counts of all tiles, where the encoder counts.
    """

    inputs: Inputs
    segmenter: SegmenterCard | None
    radiomics: RadiomicsCard | None
    encoder: EncoderCard | None
    counts: dict[str, FloatArray]


def load_inputs(workspace: Workspace) -> StudyInputs:
    """Read what `prepare` wrote.

    Raises:
        MissingStepError: when nothing was prepared, or `prepare` did not finish.
        FeatureError: when images or features changed after `prepare`, images were prepared in different ways, or
            otherwise than the study asks for now, slides do not fit together, or features made elsewhere are not found
            or cannot be used.
    """
    if workspace.config.slide_features:
        _raise_first(find_feature_files(workspace).problems)
    segmenter = check_as_prepared(workspace)
    check_unchanged(workspace)
    ids = tuple(patient.patient_id for patient in workspace.cohort.used)
    radiomics, scales, names = _radiomics(workspace, ids)
    slides = [load_slides(workspace, patient) for patient in workspace.cohort.used]
    if not scales and not any(slides):
        raise MissingStepError(
            "nothing is prepared", where=workspace.root, action=f"Run `espark prepare {workspace.root}` first."
        )
    pairs = zip(ids, slides, strict=True)
    _raise_first(disagreements([TileSource.of(patient_id, part) for patient_id, parts in pairs for part in parts]))
    bags = tuple(bag_of(features) for features in slides)
    columns = workspace.cohort.clinical
    clinical = tuple(tuple(patient.clinical[column.name] for column in columns) for patient in workspace.cohort.used)
    repeats = _repeats(workspace, scales, names)
    inputs = Inputs(ids, scales, names, radiomics, bags, columns, clinical, repeats)
    # Development first: the slides' part of the bundle must not depend on who else is in the cohort.
    order = sorted(range(len(slides)), key=lambda index: workspace.cohort.used[index].role != "development")
    encoder = _encoder_card(workspace, [(ids[index], part) for index in order for part in slides[index]])
    found = zip(ids, map(counts_of, slides), strict=True)
    counts = {patient_id: part for patient_id, part in found if part is not None}
    return StudyInputs(inputs, segmenter, _radiomics_card(workspace, scales, names), encoder, counts)


def load_slides(workspace: Workspace, patient: Patient) -> list[SlideFeatures]:
    """Tile features of each of a patient's slides that was prepared or imported."""
    found = []
    for name in patient.files.named_slides:
        path = workspace.layout.slide_features(patient.patient_id, name)
        if path.exists() and workspace.layout.record(patient.patient_id, name).exists():
            found.append(read_slide_features(path))
    return [*found, *(file.read() for file in feature_files_of(workspace, patient))]


def _raise_first(problems: Iterable[FeatureError]) -> None:
    for problem in problems:
        raise problem


def bag_of(slides: list[SlideFeatures]) -> Bag | None:
    """The slides of one patient form one bag."""
    if not slides:
        return None
    similarities = [part.similarity for part in slides if part.similarity is not None]
    similarity = np.concatenate(similarities) if len(similarities) == len(slides) else None
    features = np.concatenate([part.features for part in slides])
    return Bag(features, similarity, counts_of(slides), all(part.cells_reliable for part in slides))


def counts_of(slides: list[SlideFeatures]) -> FloatArray | None:
    """Expected cell counts of all tiles of a patient; None when the encoder does not count."""
    counts = [part.expected_counts for part in slides if part.expected_counts is not None]
    return np.concatenate(counts) if counts and len(counts) == len(slides) else None


def _radiomics(
    workspace: Workspace, ids: tuple[str, ...]
) -> tuple[FloatArray, tuple[Scale, ...], tuple[tuple[str, ...], ...]]:
    path = workspace.layout.radiomics
    if not path.exists():
        return np.zeros((len(ids), 0), np.float32), (), ()
    table = stored_table(workspace.layout, path).set_index("patient_id").reindex(list(ids))
    by_scale = {scale: [name for name in table.columns if name.startswith(f"{scale}__")] for scale in SCALES}
    # A scale that no development patient has can teach a model nothing, so other patients cannot bring it in.
    teachers = table.loc[[patient.patient_id for patient in workspace.cohort.development]]
    scales = tuple(scale for scale in SCALES if teachers[by_scale[scale]].notna().to_numpy().any())
    columns = [name for scale in scales for name in by_scale[scale]]
    names = tuple(tuple(name.removeprefix(f"{scale}__") for name in by_scale[scale]) for scale in scales)
    return table[columns].to_numpy(np.float32, copy=True), scales, names


def _repeats(
    workspace: Workspace, scales: tuple[Scale, ...], names: tuple[tuple[str, ...], ...]
) -> tuple[FloatArray | None, ...]:
    """Radiomics on perturbed contours, where study.toml asks for them."""
    if not workspace.config.ct.stability_patients:
        return ()
    found = [_patient_repeats(workspace, patient, scales, names) for patient in workspace.cohort.used]
    return tuple(found) if any(part is not None for part in found) else ()


def _patient_repeats(
    workspace: Workspace, patient: Patient, scales: tuple[Scale, ...], names: tuple[tuple[str, ...], ...]
) -> FloatArray | None:
    path = workspace.layout.patient_repeats(patient.patient_id)
    if patient.role != "development" or not path.exists():
        return None
    content = stored_content(workspace.layout, path)
    draws = max(map(len, content.values()))
    rows = [
        [draw.get(name) for scale, known in zip(scales, names, strict=True)
         for draw in [content[scale][number] if scale in content else {}] for name in known]
        for number in range(draws)
    ]  # fmt: skip
    return np.array(rows, dtype=np.float32)


def _radiomics_card(
    workspace: Workspace, scales: tuple[Scale, ...], names: tuple[tuple[str, ...], ...]
) -> RadiomicsCard | None:
    if not scales:
        return None
    settings = radiomics_settings(workspace.config.ct)
    return RadiomicsCard(
        source="imported" if workspace.config.ct_features else "espark",
        image_types=settings.image_types,
        spacing_mm=settings.spacing_mm,
        bin_width_hu=settings.bin_width_hu,
        scales=scales,
        feature_names=names,
        ring_mm=workspace.config.ct.ring_mm,
        image_model=workspace.config.mscalect.image_model if "image" in scales else "",
        outline=workspace.config.ct.outline,
    )


def _encoder_card(workspace: Workspace, slides: Sequence[tuple[str, SlideFeatures]]) -> EncoderCard | None:
    if not slides:
        return None
    first_patient, first = slides[0]
    for patient_id, part in slides:
        where = f"patient {patient_id}, {part.source}"
        if part.similarity is not None and part.cell_types != workspace.cytology.keys:
            raise FeatureError(
                "the tiles were compared with other cell types than those of cytology.toml",
                where=where,
                action=f"Run `espark prepare {workspace.root}` again.",
            )
        if _recipe(part) != _recipe(first):
            raise FeatureError(
                f"slides of the study were prepared in different ways (here: {_told(part)})",
                where=where,
                expected=f"as {first.source} of patient {first_patient}: {_told(first)}, same weights of "
                f"{first.encoder}, same stain target, same cell probe",
                action=f"Run `espark prepare {workspace.root}` again.",
            )
    asked, computed = workspace.config.slides.precision, _precision(first)
    if first.encoder_entry == EMBEDDED and asked not in ("auto", computed):
        raise FeatureError(
            f"the slides were computed in {computed}, and study.toml asks for {asked}",
            where=f"patient {first_patient}, {first.source}",
            action=f"Run `espark prepare {workspace.root}` again, or put the setting back.",
        )
    return EncoderCard(
        name=first.encoder,
        dim=first.dim,
        tile_px=first.tile_px,
        mpp=first.mpp,
        min_tissue=workspace.config.slides.min_tissue,
        stain=first.stain,
        cell_types=first.cell_types if first.similarity is not None else (),
        entry=first.encoder_entry,
        weights=first.encoder_weights,
        precision=computed,
        stain_target=json.loads(first.stain_target) if first.stain_target else {},
        cell_probe=first.cell_probe,
    )


def _told(features: SlideFeatures) -> str:
    return f"stain {features.stain}, computed in {_precision(features)}"


def _precision(features: SlideFeatures) -> Precision:
    """Numbers in which the encoder computed; before there was a choice, float32."""
    return "bfloat16" if features.encoder_precision == "bfloat16" else "float32"


def _recipe(features: SlideFeatures) -> tuple[str, str, str, str, str]:
    made = (features.encoder_weights, _precision(features), features.stain, features.stain_target)
    return (*made, features.cell_probe)
