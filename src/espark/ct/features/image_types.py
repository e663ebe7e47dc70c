"""Image types of PyRadiomics: filtered versions of the CT from which features are computed."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class ImageType:
    """A filtered version of the CT from which PyRadiomics computes features.

    Attributes:
        name: name in ``study.toml`` and in PyRadiomics.
        settings: settings for PyRadiomics.
    """

    name: str
    settings: dict[str, object] = field(default_factory=dict)


IMAGE_TYPES: dict[str, ImageType] = {
    entry.name: entry
    for entry in (
        ImageType("Original"),
        ImageType("Wavelet"),
        ImageType("LoG", {"sigma": [1.0, 2.0, 3.0, 4.0, 5.0]}),
        ImageType("Square"),
        ImageType("SquareRoot"),
        ImageType("Logarithm"),
        ImageType("Exponential"),
        ImageType("Gradient"),
        ImageType("LBP2D"),
        ImageType("LBP3D"),
    )
}
