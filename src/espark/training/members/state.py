"""What is stored of a trained fold: tensors, and text beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from espark.errors import InputError
from espark.files import canonical_json, save_tensors, tensors_and_notes
from espark.training.preprocessing import RadiomicsScaler
from espark.types import DoubleArray

_KEY = "key"
_CONTENT = "content"


@dataclass(frozen=True)
class MemberState:
    """All that must be stored of a trained fold.

    Attributes:
        tensors: by name.
        notes: text by name, such as the categories of clinical columns.
    """

    tensors: Mapping[str, Tensor]
    notes: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, network: nn.Module) -> Self:
        """The weights of a network."""
        return cls(network.state_dict())

    def __or__(self, other: MemberState) -> MemberState:
        return MemberState({**self.tensors, **other.tensors}, {**self.notes, **other.notes})

    def under(self, prefix: str) -> MemberState:
        """The same, with a prefix and a dot before every name."""
        return MemberState(
            {f"{prefix}.{name}": tensor for name, tensor in self.tensors.items()},
            {f"{prefix}.{name}": text for name, text in self.notes.items()},
        )

    def below(self, prefix: str) -> MemberState:
        """What :meth:`under` put under the prefix, with the names it had before."""
        start = f"{prefix}."
        return MemberState(
            {name.removeprefix(start): tensor for name, tensor in self.tensors.items() if name.startswith(start)},
            {name.removeprefix(start): text for name, text in self.notes.items() if name.startswith(start)},
        )

    def save(self, path: Path, key: str) -> None:
        """Write it, with the hash of everything that it depends on, and a hash of itself."""
        notes = {_KEY: key, **self.notes}
        save_tensors(path, self.tensors, {_CONTENT: MemberState(self.tensors, notes).content_hash(), **notes})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: when the file is missing or cannot be read.
        """
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise InputError("the weights are missing", where=path) from error
        return cls.read(content, path)

    @classmethod
    def read(cls, content: bytes, where: Path) -> Self:
        """From the bytes of a file that :meth:`save` wrote.

        Raises:
            InputError: when they are something else.
        """
        return cls(*tensors_and_notes(content, where))

    def content_hash(self) -> str:
        """Hash of every tensor and every note."""
        content = hashlib.sha256(canonical_json(sorted(self.notes.items())).encode("utf-8"))
        for name, tensor in sorted(self.tensors.items()):
            content.update(canonical_json([name, str(tensor.dtype), list(tensor.shape)]).encode("utf-8"))
            content.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return content.hexdigest()


def stored_key(path: Path) -> str | None:
    """Hash of everything that the state in a file depends on; None when there is no such file, or it was damaged."""
    try:
        state = MemberState.load(path)
    except InputError:
        return None
    notes = {name: text for name, text in state.notes.items() if name != _CONTENT}
    intact = state.notes.get(_CONTENT) == MemberState(state.tensors, notes).content_hash()
    return notes.get(_KEY) if intact else None


def scaler_state(scaler: RadiomicsScaler) -> MemberState:
    """What must be stored of a scaler."""
    return MemberState({"mean": scaler.mean, "sd": scaler.sd}).under("scaler")


def restored_scaler(state: MemberState) -> RadiomicsScaler:
    """What :func:`scaler_state` described, in the state of a whole member."""
    return RadiomicsScaler(**state.below("scaler").tensors)


def linear_state(weights: DoubleArray, intercept: float) -> MemberState:
    """What must be stored of a linear model: its weights (features,) and its intercept."""
    return MemberState({"weights": torch.tensor([*weights.tolist(), intercept], dtype=torch.float64)})


def restored_linear(state: MemberState) -> tuple[DoubleArray, float]:
    """What :func:`linear_state` described, in the state of a whole member."""
    *weights, intercept = state.tensors["weights"].tolist()
    return np.array(weights, dtype=np.float64), intercept
