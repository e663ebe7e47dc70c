"""Every file of a study folder that is not a table."""

from __future__ import annotations

from espark.formats.artefact import Artefact

FILES: tuple[Artefact, ...] = (
    Artefact("study.toml", "you", "All settings. `espark init` writes it with comments."),
    Artefact("cytology.toml", "you", "Optional: cell types, prompts and cut-offs."),
    Artefact("cell-probe.safetensors", "encoder teach", "Reads counts of cells from the vectors of the encoder."),
    Artefact("manifest.json", "every step", "Versions, seeds, commands, times, and the hash of each table and figure."),
    Artefact("check.html", "check", "All patients in pictures, on one page."),
    Artefact("local.log", "every step", "Failures with names of files. Do not share it."),
    Artefact(
        "prepared/ct/<patient>/regions.nii.gz", "prepare",
        "Label map on the grid of the CT, uint8: 0 outside, 1 esophagus, 2 tumor. The whole organ is 1 and 2 together.",
    ),
    Artefact("prepared/ct/<patient>/ring.nii.gz", "prepare", "Mask of the ring around the tumor, with [ct] ring_mm."),
    Artefact("prepared/ct/<patient>/radiomics.json", "prepare", "Features by scale; the reason for each missing one."),
    Artefact("prepared/ct/<patient>/repeats.json", "prepare", "Features on changed contours."),
    Artefact(
        "prepared/slides/<patient>/<slide>.h5", "prepare",
        "HDF5. `features` float32 (tiles, dim); `coords` int32 (tiles, 2): x and y of the top left corner in pixels of "
        "the full resolution; `similarity` float32 (tiles, cell types) and `expected_counts` float32 (tiles, counted "
        "cells) if the encoder gives them; `tissue_fraction` float32 (tiles,), 0 to 1; `rejected_coords` and "
        "`rejected_reason`: the tiles that were left out. Attributes: `encoder`, `dim`, `tile_px`, `mpp` and "
        "`slide_mpp` (µm per pixel), `tile_px_level0`, `cell_types`, `reject_reasons`, `stain`, `espark_version`, "
        "`source`.",
    ),
    Artefact("prepared/slides/<patient>/<slide>-qc.png", "prepare", "What was left out of the slide, and why."),
    Artefact("prepared/records/<patient>/<name>.json", "prepare, report", "Hash of inputs, settings and outputs."),
    Artefact("prepared/**", "prepare", "Sizes and times of files that were hashed, and temporary files."),
    Artefact("models/<model>/bundle.json", "train", "What a new patient needs beside weights; SHA-256 of each file."),
    Artefact("models/<model>/fold-<n>.safetensors", "train", "Weights and preprocessing of one member."),
    Artefact("models/<model>/applicability-<name>.safetensors", "train", "Limits beyond which an answer is withheld."),
    Artefact("models/<model>/MODEL_CARD.md", "train", "The model in words, with the metadata of the Hugging Face hub."),
    Artefact("models/<model>/cell-probe.safetensors", "train", "Reads cells from the vectors of the encoder."),
    Artefact("models/<model>/**", "train", "Further weights that the bundle needs, such as those of a segmenter."),
    Artefact("models/work/**", "train", "Members of a fit that is not complete."),
    Artefact("evaluation/**", "evaluate, ablate", "Answers of the folds of an ablation (safetensors, JSON)."),
    Artefact("explain/checks.json", "explain", "Checks of the explanations, each with value, interval and a sentence."),
    Artefact("explain/ct-pair.json", "explain", "The two patients that are shown side by side, and why."),
    Artefact("explain/heatmaps/<patient>/<name>.png", "explain", "Attention heatmap, or attributions and clusters."),
    Artefact("explain/heatmaps/<patient>/<slide>.geojson", "explain", "The attention of each tile, for QuPath."),
    Artefact("explain/regions/<patient>/<name>.png", "explain", "The regions of a slide with the most attention."),
    Artefact("explain/regions/<patient>/<name>.jpg", "explain", "One of these regions at full resolution."),
    Artefact("explain/redrawn/<patient>.json", "explain", "Radiomic features after small changes of the contour."),
    Artefact("explain/voxel-maps/<patient>/<name>", "explain --voxel-maps", "Where a texture feature is high."),
    Artefact("explain/**", "explain", "Rows of the ablation by cell type that are already computed."),
    Artefact("figures/<name>.svg", "evaluate, explain", "A figure as vector graphics."),
    Artefact("figures/<name>.png", "evaluate, explain", "The same figure as pixels."),
    Artefact("report/index.html", "report", "The report of the study: one HTML file."),
    Artefact("report/patients/<patient>.html", "report", "The page of a patient: one HTML file."),
    Artefact("report/**", "report --pdf", "The pages as PDF."),
    Artefact("corrections/<patient>/<name>", "serve", "Regions that a person corrected, with the person and the time."),
    Artefact("serve/**", "serve", "Jobs, log, new patients, readings and pictures of the workbench."),
    Artefact(".lock", "every step", "Locked while a command works on the study."),
    Artefact("SIMULATED.txt", "simulate", "States that the patients are not real."),
    Artefact("truth/**", "simulate", "Only in a simulated study: what is true about each patient."),
)  # fmt: skip
"""The order matters where a pattern ends with ``**``: it takes what the patterns before it leave."""
