"""One trained fold of each model: preprocessing and network together.

Every member answers the same questions, so that a bundle need not know which model it holds.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from espark.models.aggregators.aggregator import Aggregator, pad_bags
from espark.models.aggregators.build import build_aggregator
from espark.models.espark import ESparkNet
from espark.models.mscalect import MScaleCTNet
from espark.training.feature_choice import choose_features
from espark.training.fitting import fit, seeded
from espark.training.inputs import Bag, Inputs
from espark.training.members.clinical import ClinicalEncoder
from espark.training.preprocessing import RadiomicsScaler, TileSelector
from espark.training.settings import ModelSettings
from espark.training.stability import fit_scaler
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray
from espark.workspace.config import ESparkSettings, OptimizerSettings

_BFLOAT16_MULTIPLE = 64
"""Tiles of a bag in bfloat16 training: a kernel is compiled for every number of tiles it meets, so there are few."""

_CLINICAL_LIMIT = 5.0
"""Clinical values beyond so many SD are taken for that many, as radiomics are."""


class Member(Protocol):
    """A trained fold."""

    def usable(self, inputs: Inputs) -> BoolArray:
        """(patients,) whether there is anything this model can look at."""
        ...

    def logits(self, inputs: Inputs) -> DoubleArray:
        """(patients,) log-odds of the outcome, not calibrated; NaN for a patient that is not usable."""
        ...

    def attention(self, bag: Bag) -> FloatArray | None:
        """(tiles,) attention of each tile, summing to 1 and zero for a tile that was not chosen."""
        ...

    def falls_back(self, bag: Bag) -> bool:
        """Whether no tile passes any cut-off, so that the best ones stand in."""
        ...

    def tensors(self) -> dict[str, Tensor]:
        """Everything that must be stored."""
        ...


class MScaleCTMember:
    """A fold of MScaleCT.

    Args:
        scaler: fitted on the training part of the fold.
        net: the network, in evaluation mode.
    """

    def __init__(self, scaler: RadiomicsScaler, net: MScaleCTNet):
        self.scaler = scaler
        self.net = net.eval()

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Self:
        """Train on the training part of a fold; patients without CT are left out."""
        keep = np.flatnonzero(inputs.has_ct)
        inputs = inputs.subset(keep)
        with seeded(seed):
            scaler = choose_features(
                fit_scaler(inputs, settings.mscalect.min_icc), inputs, labels[keep], settings.mscalect
            )
            member = cls(scaler, cls._network(inputs, settings))
            radiomics, known = member._tensors_of(inputs)
            targets, chosen = torch.from_numpy(labels[keep]), settings.mscalect

            def loss_of(batch: Tensor) -> Tensor:
                logits = member.net(radiomics[batch], known[batch])
                return nn.functional.cross_entropy(logits, targets[batch], label_smoothing=chosen.label_smoothing)

            fit(member.net, inputs.patient_ids, targets, loss_of, chosen)
        return member

    @staticmethod
    def _network(inputs: Inputs, settings: ModelSettings) -> MScaleCTNet:
        chosen = settings.mscalect
        return MScaleCTNet(
            tuple(map(len, inputs.feature_names)),
            width=chosen.width,
            depth=chosen.depth,
            scale_dropout=chosen.scale_dropout if len(inputs.scales) > 1 else 0.0,
        )

    def _tensors_of(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return self.scaler.transform(inputs.radiomics), torch.from_numpy(inputs.known_scales.astype(np.float32))

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with a known scale."""
        return inputs.has_ct

    @torch.no_grad()
    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without CT."""
        with seeded(0):
            return _log_odds(self.net(*self._tensors_of(inputs)), self.usable(inputs))

    @torch.no_grad()
    def embed(self, inputs: Inputs) -> Tensor:
        """(patients, width) the CT vector, zero without CT."""
        with seeded(0):
            embedding = self.net.embed(*self._tensors_of(inputs))
        return embedding * torch.from_numpy(inputs.has_ct.astype(np.float32))[:, None]

    def attention(self, bag: Bag) -> FloatArray | None:
        """MScaleCT looks at no tile."""
        del bag
        return None

    def falls_back(self, bag: Bag) -> bool:
        """MScaleCT chooses no tile."""
        del bag
        return False

    def tensors(self) -> dict[str, Tensor]:
        """Scaler and weights."""
        return {"scaler.mean": self.scaler.mean, "scaler.sd": self.scaler.sd, **_prefixed("net", self.net)}

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, tensors: Mapping[str, Tensor]) -> Self:
        """The member that :meth:`tensors` described; ``inputs`` may be empty but names the features."""
        net = cls._network(inputs, settings)
        net.load_state_dict(_without_prefix("net", tensors))
        return cls(RadiomicsScaler(tensors["scaler.mean"], tensors["scaler.sd"]), net)


class CytoPathMember:
    """A fold of CytoPath.

    Args:
        selector: cut-offs fitted on the training part of the fold.
        net: the network, in evaluation mode.
    """

    def __init__(self, selector: TileSelector, net: Aggregator):
        self.selector = selector
        self.net = net.eval()

    @classmethod
    def train(cls, inputs: Inputs, labels: IntArray, settings: ModelSettings, seed: int) -> Self:
        """Train on the training part of a fold; patients without slides are left out."""
        keep = np.flatnonzero(inputs.has_slides)
        inputs = inputs.subset(keep)
        bags = [bag for bag in inputs.bags if bag is not None]
        with seeded(seed):
            selector = _selector(bags, settings)
            dim = inputs.tile_dim if selector.profile is None else selector.profile.shape[1]
            member = cls(selector, cls._network(dim, settings))
            tiles = [member.chosen(bag) for bag in bags]
            targets, chosen = torch.from_numpy(labels[keep]), settings.cytopath

            def loss_of(batch: Tensor) -> Tensor:
                drawn = _draw(tiles, batch, chosen.max_tiles, chosen)
                return member.net.loss(*drawn, targets[batch], chosen.label_smoothing)

            fit(member.net, inputs.patient_ids, targets, loss_of, chosen)
        return member

    @staticmethod
    def _network(dim: int, settings: ModelSettings) -> Aggregator:
        chosen = settings.cytopath
        return build_aggregator(chosen.aggregator, dim, hidden=chosen.hidden, attention=chosen.attention)

    def chosen(self, bag: Bag) -> Tensor:
        """(chosen tiles, dim) the tiles that enter the bag."""
        return _chosen(self.selector, bag)

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with at least one tile."""
        return inputs.has_slides

    @torch.no_grad()
    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN without slides."""
        answers = np.full(len(inputs), np.nan)
        with seeded(0):
            for index in np.flatnonzero(self.usable(inputs)):
                bag = inputs.bags[index]
                assert bag is not None
                logits, _ = self.net(*pad_bags([self.chosen(bag)]))
                answers[index] = _log_odds(logits, np.array([True]))[0]
        return answers

    @torch.no_grad()
    def attention(self, bag: Bag) -> FloatArray | None:
        """(tiles,) attention, zero for tiles that were not chosen."""
        return _attention(self.net, self.selector, bag)

    def falls_back(self, bag: Bag) -> bool:
        """Whether no tile passes any cut-off, so that the best ones stand in."""
        return self.selector.falls_back(bag)

    def tensors(self) -> dict[str, Tensor]:
        """Cut-offs and weights."""
        return {**_selector_tensors(self.selector), **_prefixed("net", self.net)}

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, tensors: Mapping[str, Tensor]) -> Self:
        """The member that :meth:`tensors` described."""
        del inputs
        net = cls._network(tensors["net.project.0.weight"].shape[1], settings)
        net.load_state_dict(_without_prefix("net", tensors))
        return cls(_restored_selector(settings, tensors), net)


class ESparkMember:
    """A fold of eSPARK: the fold's own MScaleCT, frozen, and a fusion that starts from the fold's own CytoPath.

    Args:
        ct: the MScaleCT of the same fold.
        selector: cut-offs fitted on the training part of the fold.
        net: the fusion network, in evaluation mode.
        encoder: of the clinical values, fitted on the training part of the fold; None when they do not enter.
    """

    def __init__(
        self, ct: MScaleCTMember, selector: TileSelector, net: ESparkNet, encoder: ClinicalEncoder | None = None
    ):
        self.ct = ct
        self.selector = selector
        self.net = net.eval()
        self.encoder = encoder

    @classmethod
    def train(
        cls,
        inputs: Inputs,
        labels: IntArray,
        settings: ModelSettings,
        seed: int,
        ct: MScaleCTMember,
        slides: CytoPathMember,
    ) -> Self:
        """Train on the training part of a fold, with the MScaleCT and the CytoPath trained on the same part."""
        keep = np.flatnonzero(inputs.has_ct | inputs.has_slides)
        inputs = inputs.subset(keep)
        encoder = ClinicalEncoder.fit_patients(inputs) if settings.espark.clinical else None
        with seeded(seed):
            member = cls(ct, slides.selector, cls._network(slides.net, settings, encoder), encoder)
            vectors, known, clinical = ct.embed(inputs), member.known(inputs), member.clinical_values(inputs)
            bags = [member.chosen(bag) for bag in inputs.bags]
            targets, chosen = torch.from_numpy(labels[keep]), settings.espark
            fixed = member.slide_vectors(bags) if chosen.slide_learning_rate_factor == 0 else None

            def loss_of(batch: Tensor) -> Tensor:
                values = None if clinical is None else clinical[batch]
                told = (known[batch], values, targets[batch], chosen.label_smoothing)
                if fixed is not None:
                    return member.net.loss_of_vectors(vectors[batch], fixed[batch], *told)
                tiles, mask = _draw(bags, batch, settings.cytopath.max_tiles, chosen)
                return member.net.loss(vectors[batch], tiles, mask, *told)

            fit(member.net, inputs.patient_ids, targets, loss_of, chosen, groups=member._parameter_groups(chosen))
        return member

    @staticmethod
    def _network(slide_branch: Aggregator, settings: ModelSettings, encoder: ClinicalEncoder | None) -> ESparkNet:
        return ESparkNet(
            copy.deepcopy(slide_branch),
            hidden=settings.cytopath.hidden,
            ct_width=settings.mscalect.width,
            projection=settings.espark.projection,
            modality_dropout=settings.espark.modality_dropout,
            fusion=settings.espark.fusion,
            clinical=None if encoder is None else encoder.width,
        )

    def _parameter_groups(self, settings: OptimizerSettings) -> list[dict[str, object]]:
        assert isinstance(settings, ESparkSettings)
        ct, slides = list(self.net.ct_branch.parameters()), list(self.net.slide_branch.parameters())
        unused = {id(parameter) for parameter in self.net.slide_branch.head.parameters()}
        slides = [parameter for parameter in slides if id(parameter) not in unused]
        apart = unused | {id(parameter) for parameter in (*ct, *slides)}
        rest = [parameter for parameter in self.net.parameters() if id(parameter) not in apart]
        slow = settings.learning_rate * settings.ct_learning_rate_factor
        groups: list[dict[str, object]] = [{"params": rest}, {"params": ct, "lr": slow}]
        if settings.slide_learning_rate_factor > 0:
            rate = settings.learning_rate * settings.slide_learning_rate_factor
            groups.append({"params": slides, "lr": rate})
        return groups

    @torch.no_grad()
    def slide_vectors(self, bags: list[Tensor]) -> Tensor:
        """(patients, hidden) the slide vector of each bag of chosen tiles (tiles, dim)."""
        return torch.cat([self.net.slide_branch.embed(*pad_bags([bag]))[0] for bag in bags])

    def chosen(self, bag: Bag | None) -> Tensor:
        """(chosen tiles, dim) the tiles that enter the bag; none without slides."""
        if bag is None:
            return torch.zeros(0, self.net.slide_branch.features)
        return _chosen(self.selector, bag)

    def usable(self, inputs: Inputs) -> BoolArray:
        """Patients with a known scale or a tile."""
        return inputs.has_ct | inputs.has_slides

    def known(self, inputs: Inputs) -> Tensor:
        """(patients, modalities) 1 where CT, slides and, where they enter, clinical values are known."""
        there = [inputs.has_ct, inputs.has_slides]
        if self.encoder is not None:
            there.append(inputs.has_clinical)
        return torch.from_numpy(np.stack(there, axis=1).astype(np.float32))

    def clinical_values(self, inputs: Inputs) -> Tensor | None:
        """(patients, encoded values) of the clinical columns; None when they do not enter."""
        if self.encoder is None:
            return None
        encoded = self.encoder.encode_patients(inputs).astype(np.float32)
        return torch.from_numpy(encoded.clip(-_CLINICAL_LIMIT, _CLINICAL_LIMIT))

    @torch.no_grad()
    def logits(self, inputs: Inputs) -> DoubleArray:
        """Log-odds of the outcome; NaN with neither CT nor slides."""
        usable, known = self.usable(inputs), self.known(inputs)
        vectors, clinical = self.ct.embed(inputs), self.clinical_values(inputs)
        answers = np.full(len(inputs), np.nan)
        with seeded(0):
            for index in np.flatnonzero(usable):
                tiles, mask = pad_bags([self.chosen(inputs.bags[index])])
                one = slice(index, index + 1)
                values = None if clinical is None else clinical[one]
                logit = self.net(vectors[one], tiles, mask, known[one], values)
                answers[index] = _log_odds(logit, np.array([True]))[0]
        return answers

    @torch.no_grad()
    def attention(self, bag: Bag) -> FloatArray | None:
        """(tiles,) attention, zero for tiles that were not chosen."""
        return _attention(self.net.slide_branch, self.selector, bag)

    def falls_back(self, bag: Bag) -> bool:
        """Whether no tile passes any cut-off, so that the best ones stand in."""
        return self.selector.falls_back(bag)

    def tensors(self) -> dict[str, Tensor]:
        """Those of MScaleCT under ``ct``, cut-offs, the clinical encoder and weights."""
        ct = {f"ct.{name}": tensor for name, tensor in self.ct.tensors().items()}
        clinical = {} if self.encoder is None else {"clinical.json": self.encoder.to_tensor()}
        return {**ct, **clinical, **_selector_tensors(self.selector), **_prefixed("net", self.net)}

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, tensors: Mapping[str, Tensor]) -> Self:
        """The member that :meth:`tensors` described."""
        ct = MScaleCTMember.restore(inputs, settings, _without_prefix("ct", tensors))
        dim = tensors["net.slide_branch.project.0.weight"].shape[1]
        encoder = ClinicalEncoder.from_tensor(tensors["clinical.json"]) if settings.espark.clinical else None
        net = cls._network(CytoPathMember._network(dim, settings), settings, encoder)
        net.load_state_dict(_without_prefix("net", tensors))
        return cls(ct, _restored_selector(settings, tensors), net, encoder)


def _selector(bags: list[Bag], settings: ModelSettings) -> TileSelector:
    chosen = settings.cytopath
    selector = TileSelector.fit(bags, settings.cutoffs) if chosen.cell_type_selection else TileSelector(None)
    return (selector.with_profile(bags) if chosen.tile_vector == "profile" else selector).with_mean(bags)


def _selector_tensors(selector: TileSelector) -> dict[str, Tensor]:
    stored = {
        "selector.cutoffs": selector.cutoffs,
        "selector.mean": selector.mean,
        "selector.profile": selector.profile,
    }
    return {name: tensor for name, tensor in stored.items() if tensor is not None}


def _restored_selector(settings: ModelSettings, tensors: Mapping[str, Tensor]) -> TileSelector:
    return TileSelector(
        tensors.get("selector.cutoffs"),
        settings.cutoffs.share,
        tensors.get("selector.mean"),
        tensors.get("selector.profile"),
    )


def _chosen(selector: TileSelector, bag: Bag) -> Tensor:
    chosen, vectors = selector.select(bag), selector.vectors(bag)
    # Where every tile enters, a large bag is not copied.
    return torch.from_numpy(vectors if chosen.all() else vectors[chosen])


def _draw(bags: list[Tensor], batch: Tensor, most: int, settings: OptimizerSettings) -> tuple[Tensor, Tensor]:
    """Padded bags of a batch; a bag of more than ``most`` tiles gives a random part of them, in their order."""
    drawn = [bags[index] for index in batch.tolist()]
    drawn = [bag if len(bag) <= most else bag[torch.randperm(len(bag))[:most].sort()[0]] for bag in drawn]
    return pad_bags(drawn, multiple=_BFLOAT16_MULTIPLE if settings.precision == "bfloat16" else 1)


def _attention(net: Aggregator, selector: TileSelector, bag: Bag) -> FloatArray:
    chosen = selector.select(bag)
    weights = np.zeros(len(bag), dtype=np.float32)
    with seeded(0):
        _, attention = net.embed(*pad_bags([torch.from_numpy(selector.vectors(bag)[chosen])]))
    weights[chosen] = attention[0, : chosen.sum()].numpy()
    return weights


def _log_odds(logits: Tensor, usable: BoolArray) -> DoubleArray:
    odds: DoubleArray = (logits[:, 1] - logits[:, 0]).double().numpy()
    return np.where(usable, odds, np.nan)


def _prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in module.state_dict().items()}


def _without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
