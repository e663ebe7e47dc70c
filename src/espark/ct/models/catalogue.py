"""The CT models: name, text and code of each. A package may add its own (``docs/plugins.md``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from espark.catalogue import Catalogue
from espark.errors import PluginError

if TYPE_CHECKING:
    from espark.ct.hounsfield import CtVolume
    from espark.ct.regions.regions import Regions
    from espark.models.mscalect import CtNetwork


class BuildCtNetwork(Protocol):
    """Makes a network with fresh weights, from the number of features of each scale and the settings of MScaleCT."""

    def __call__(  # noqa: D102
        self, features: tuple[int, ...], *, width: int, depth: int, scale_dropout: float
    ) -> CtNetwork: ...


def _mscalect(features: tuple[int, ...], *, width: int, depth: int, scale_dropout: float) -> CtNetwork:
    from espark.models.mscalect import MScaleCTNet

    return MScaleCTNet(features, width=width, depth=depth, scale_dropout=scale_dropout)


@dataclass(frozen=True)
class CtModelEntry:
    """A model of the CT that can be used as MScaleCT.

    Attributes:
        name: name in ``study.toml``.
        title: name in reports and figures.
        look: computes its own numbers from the CT and its regions: a mapping from the names in ``features`` to
            values. They become the scale ``image``, in addition to the radiomics. A name that is left out, or NaN, is
            a missing value. None for a model that uses only the radiomics.
        features: names of these numbers, fixed in advance, in their order.
        network: makes the network over all scales from the number of features of each scale (``features``), the length
            of the CT vector (``width``), the number of layers (``depth``) and how often training hides a scale
            (``scale_dropout``). It imports torch itself, so that reading ``study.toml`` stays fast.
        source: where it was published.

    Raises:
        PluginError: when ``look`` is given without ``features``, ``features`` without ``look``, or a name twice.
    """

    name: str
    title: str
    look: Callable[[CtVolume, Regions], Mapping[str, float]] | None = None
    features: tuple[str, ...] = ()
    network: BuildCtNetwork = _mscalect
    source: str = ""

    def __post_init__(self) -> None:
        if (self.look is None) == bool(self.features) or len(set(self.features)) < len(self.features):
            raise PluginError(
                f"the CT model '{self.name}' {'looks' if self.look else 'does not look'} at the image, and names "
                f"{len(self.features)} features",
                expected="look and features together, and every name once",
            )


CT_MODELS = Catalogue(
    "CT model",
    "espark.ct_models",
    (CtModelEntry("network", "Network", source="MScaleCT with the settings in study.toml"),),
)
