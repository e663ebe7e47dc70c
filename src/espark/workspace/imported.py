"""Sections of ``study.toml`` for features that were made elsewhere."""

from __future__ import annotations

from pydantic import Field

from espark.strict_toml import Section
from espark.types import Scale


class FeatureTable(Section):
    """CT features made elsewhere: a CSV, Parquet or XLSX table."""

    file: str = Field(description="Path of the table, relative to study.toml.")
    patient_column: str = Field("patient_id", description="Column that holds the patient's id.")
    scale: Scale = Field("tumor", description="tumor, esophagus, peritumoral, or image (numbers of the whole CT).")
    columns: tuple[str, ...] = Field(
        (
            "original_*",
            "wavelet*",
            "log-sigma*",
            "lbp-*",
            "square_*",
            "squareroot_*",
            "exponential_*",
            "logarithm_*",
            "gradient_*",
        ),
        description="Columns that are features; * matches any text.",
    )


class SlideFeatureFolder(Section):
    """Tile features made elsewhere by CLAM, TRIDENT or STAMP: a folder of HDF5 files."""

    folder: str = Field(description="Folder of the files <slide name>.h5, relative to study.toml.")
    encoder: str = Field(description="Name of the encoder that made them, for the record.")
    tile_px: int = Field(256, ge=1, description="Side of a tile in its own pixels, where the files do not give it.")
