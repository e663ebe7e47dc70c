"""One trained fold of eSPARK."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from espark.models.aggregators.aggregator import Aggregator, pad_bags
from espark.models.espark import ESparkNet
from espark.training.fitting import fit, seeded
from espark.training.inputs import Bag, Inputs
from espark.training.members.bags import (
    chosen_tiles,
    draw_tiles,
    restored_selector,
    selector_state,
    tile_attention,
)
from espark.training.members.clinical import ClinicalEncoder
from espark.training.members.cytopath import CytoPathMember
from espark.training.members.member import CtAnswer, TileHead
from espark.training.members.mscalect import MScaleCTMember
from espark.training.members.networks import in_double, log_odds, usable_log_odds
from espark.training.members.state import MemberState
from espark.training.preprocessing import RadiomicsScaler, TileSelector
from espark.training.settings import ModelSettings
from espark.types import BoolArray, DoubleArray, FloatArray, IntArray
from espark.workspace.config import ESparkSettings

_CLINICAL_LIMIT = 5.0
"""Clinical values beyond so many SD are clipped, as radiomics are."""

_AT_ONCE = 4096
"""Tiles, over all choices of the tiles of a patient, that go through the pooling at once."""


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
                tiles, mask = draw_tiles(bags, batch, settings.cytopath.max_tiles, chosen)
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

    def _parameter_groups(self, settings: ESparkSettings) -> list[dict[str, object]]:
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
        return chosen_tiles(self.selector, bag)

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
                answers[index] = usable_log_odds(logit, np.array([True]))[0]
        return answers

    def attention(self, bag: Bag) -> FloatArray:
        """(tiles,) attention, zero for tiles that were not chosen."""
        return tile_attention(self.net.slide_branch, self.selector, bag)

    def tile_head(self, inputs: Inputs) -> tuple[Aggregator, TileHead]:
        """The slide branch, and the fusion of its slide vector with the other vectors of the one patient."""
        ct, known, clinical = self.ct.embed(inputs), self.known(inputs), self.clinical_values(inputs)

        def head(net: Aggregator, instances: Tensor, mask: Tensor) -> Tensor:
            slide, _ = net.pool(instances, mask)
            return _fused(self.net, ct, slide, known, clinical)

        return self.net.slide_branch, head

    @torch.no_grad()
    def answers_for(self, inputs: Inputs, choices: Sequence[IntArray]) -> DoubleArray:
        """(choices,) log-odds if only some tiles of the one patient entered; NaN with neither tile nor CT."""
        bag = inputs.bags[0]
        assert bag is not None
        there = np.array([len(places) > 0 for places in choices])
        with seeded(0):
            slides = self._pooled(bag, choices)
            known = self.known(inputs).repeat(len(choices), 1)
            known[:, 1] = torch.from_numpy(there.astype(np.float32))
            logits = _fused(self.net, self.ct.embed(inputs), slides, known, self.clinical_values(inputs))
        return usable_log_odds(logits, there | inputs.has_ct[0])

    def _pooled(self, bag: Bag, choices: Sequence[IntArray]) -> Tensor:
        """(choices, hidden) slide vectors. Each tile goes through the first layer once."""
        net = self.net.slide_branch
        used = np.unique(np.concatenate(choices))
        instances = torch.zeros(len(bag), net.hidden)
        instances[used] = net.project(torch.from_numpy(self.selector.vectors(bag)[used]))
        step = max(1, _AT_ONCE // max(1, len(used)))
        parts = [choices[start : start + step] for start in range(0, len(choices), step)]
        return torch.cat([net.pool(*pad_bags([instances[places] for places in part]))[0] for part in parts])

    @property
    def scaler(self) -> RadiomicsScaler:
        """That of the fold's own MScaleCT."""
        return self.ct.scaler

    def ct_answer(self) -> Callable[[Inputs], CtAnswer]:
        """For one patient, how the answer depends on the radiomics."""
        ct_net, fusion = in_double(self.ct.net), in_double(self.net)

        def of(inputs: Inputs) -> CtAnswer:
            scales = torch.from_numpy(inputs.known_scales.astype(np.float64))
            known, clinical = self.known(inputs).double(), self.clinical_values(inputs)
            values = None if clinical is None else clinical.double()
            slide = self.slide_vectors([self.chosen(inputs.bags[0])]).double()

            def answer(radiomics: Tensor) -> Tensor:
                vector = ct_net.embed(radiomics, scales.expand(len(radiomics), -1))
                return log_odds(_fused(fusion, vector, slide, known, values))

            return answer

        return of

    def state(self) -> MemberState:
        """That of MScaleCT under ``ct``, cut-offs, the clinical encoder and weights."""
        clinical = MemberState({}) if self.encoder is None else self.encoder.state()
        net = MemberState.of(self.net).under("net")
        return self.ct.state().under("ct") | clinical.under("clinical") | selector_state(self.selector) | net

    @classmethod
    def restore(cls, inputs: Inputs, settings: ModelSettings, state: MemberState) -> Self:
        """The member that :meth:`state` described."""
        ct = MScaleCTMember.restore(inputs, settings, state.below("ct"))
        weights = state.below("net").tensors
        slides = CytoPathMember._network(weights["slide_branch.project.0.weight"].shape[1], settings)
        encoder = ClinicalEncoder.restore(state.below("clinical")) if settings.espark.clinical else None
        net = cls._network(slides, settings, encoder)
        net.load_state_dict(weights)
        return cls(ct, restored_selector(settings, state), net, encoder)


def _fused(net: ESparkNet, ct: Tensor, slide: Tensor, known: Tensor, clinical: Tensor | None) -> Tensor:
    """(rows, 2) logits; what has one row alone is the same for all of them."""
    rows = max(len(ct), len(slide))
    values = None if clinical is None else clinical.expand(rows, -1)
    return net.fuse(ct.expand(rows, -1), slide.expand(rows, -1), known.expand(rows, -1), values)
