"""espark: response of esophageal cancer to neoadjuvant immunochemotherapy, predicted from CT and H&E slides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from espark._version import __version__

if TYPE_CHECKING:
    from espark.bundle.bundle import Bundle
    from espark.bundle.folder import load_bundle
    from espark.errors import EsparkError, InputError, InputProblems
    from espark.estimators.estimators import CytoPath, ESpark, MScaleCT
    from espark.plugins import (
        register_aggregator,
        register_ct_model,
        register_encoder,
        register_fusion,
        register_segmenter,
    )
    from espark.steps.predict.new_patient import NewPatient
    from espark.steps.predict.patient_answer import PatientAnswer
    from espark.steps.predict.predict import predict
    from espark.study import Study

__all__ = [
    "Bundle",
    "CytoPath",
    "ESpark",
    "EsparkError",
    "InputError",
    "InputProblems",
    "MScaleCT",
    "NewPatient",
    "PatientAnswer",
    "Study",
    "__version__",
    "load_bundle",
    "predict",
    "register_aggregator",
    "register_ct_model",
    "register_encoder",
    "register_fusion",
    "register_segmenter",
]

_HOME = {
    "Bundle": "espark.bundle.bundle",
    "load_bundle": "espark.bundle.folder",
    "EsparkError": "espark.errors",
    "InputError": "espark.errors",
    "InputProblems": "espark.errors",
    "CytoPath": "espark.estimators.estimators",
    "ESpark": "espark.estimators.estimators",
    "MScaleCT": "espark.estimators.estimators",
    "NewPatient": "espark.steps.predict.new_patient",
    "PatientAnswer": "espark.steps.predict.patient_answer",
    "predict": "espark.steps.predict.predict",
    "Study": "espark.study",
    "register_aggregator": "espark.plugins",
    "register_ct_model": "espark.plugins",
    "register_encoder": "espark.plugins",
    "register_fusion": "espark.plugins",
    "register_segmenter": "espark.plugins",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use, so that ``import espark`` stays light."""
    if name in _HOME:
        import importlib

        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'espark' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
