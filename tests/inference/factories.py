"""Model versions and analyses for tests; no weights are on disk behind these versions."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta
from pathlib import Path

import factory
import numpy as np
from django.utils import timezone

from inference.gate import Gate
from inference.models import LABELS, Analysis, Certainty, Label, ModelVersion


def facts_for(name: str, version: str, sha256: str) -> dict:
    """What ``facts.json`` of a trained version says, in its shape and with invented numbers."""
    return {
        "format": 1,
        "name": name,
        "version": version,
        "architecture": "mobilenetv2-1.0",
        "labels": list(LABELS),
        "preprocessing_version": "1",
        "input_size": [256, 256],
        "files": {
            "keras": {"name": "model.keras", "sha256": "0" * 64, "bytes": 1},
            "litert": {"name": "model.tflite", "sha256": sha256, "bytes": 1},
            "classifier": {"name": "classifier.npy", "sha256": "0" * 64, "bytes": 1},
        },
        "calibration": {
            "method": "temperature",
            "temperature": 1.5,
            "split": "val",
            "ece_before": 0.1,
            "ece_after": 0.05,
        },
        "thresholds": {"certainty": {"high": 0.8, "moderate": 0.6}},
        "metrics": {"val": {"macro_auroc": 0.9}, "test": {"macro_auroc": 0.88}},
        "parity": {"images": 64, "max_abs_difference": 1e-6},
        "data": {"name": "test", "fingerprint": "0" * 64, "counts": {}, "terms": ""},
        "libraries": {},
        "training": {"config": {}, "revision": "", "seconds": 1, "epochs": 1},
    }


def copy_model_folder(source: Path, target: Path, **facts) -> Path:
    """A copy of a model folder whose facts differ: another version of the same weights."""
    shutil.copytree(source, target)
    content = json.loads((target / "facts.json").read_text())
    (target / "facts.json").write_text(json.dumps(content | facts))
    return target


def certainty_facts(*, quantiles: dict | None = None, threshold: float = 1.0) -> dict:
    """What format 2 says of certainty, with invented numbers; by default every set is whole."""
    return {
        "format": 2,
        "conformal": {
            "method": "split, class-conditional",
            "coverage": 0.9,
            "quantiles": quantiles or dict.fromkeys(LABELS, 1.0),
            "measured": {
                "test": {
                    "n": 231,
                    "coverage": dict.fromkeys(LABELS, 0.91),
                    "certain_right": 0.86,
                    "intervals_95": {"certain_right": [0.76, 0.94]},
                }
            },
        },
        "gate": {"method": "test", "file": "gate.npz", "threshold": threshold, "measured": {}},
        "triage": {
            "rule_out": {
                "label": "lung_opacity",
                "sensitivity_wanted": 0.95,
                "threshold": 0.08,
                "measured": {"test": triage_measured(sensitivity=0.96, specificity=0.4)},
            },
            "rule_in": {
                "label": "lung_opacity",
                "specificity_wanted": 0.95,
                "threshold": 0.8,
                "measured": {"test": triage_measured(sensitivity=0.3, specificity=0.94)},
            },
        },
    }


def triage_measured(**values: float) -> dict:
    intervals = {name: [value - 0.05, value + 0.03] for name, value in values.items()}
    return {"n": 231, "positives": 99, **values, "intervals_95": intervals}


def with_certainty(
    folder: Path, *, quantiles: dict | None = None, threshold: float = 1e9, **facts
) -> Path:
    """Make a model folder one of format 2, with a gate that lets pass whatever is near 0.

    ``threshold`` of 1e9 lets everything pass, 1e-9 nothing.
    """
    content = json.loads((folder / "facts.json").read_text())
    channels = np.load(folder / content["files"]["classifier"]["name"]).shape[0]
    channels = content.get("gate", {}).get("channels", channels)
    gate = Gate(np.zeros(channels), np.eye(channels, 1), np.ones(1), 1.0, threshold)
    data = gate.to_bytes()
    (folder / "gate.npz").write_bytes(data)
    entry = {
        "name": "gate.npz",
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
    }
    content |= certainty_facts(quantiles=quantiles, threshold=threshold)
    content["gate"]["channels"] = channels
    content["files"] |= {"gate": entry}
    (folder / "facts.json").write_text(json.dumps(content | facts))
    return folder


class ModelVersionFactory(factory.django.DjangoModelFactory):
    """A registered version; ``in_production=True`` makes it the one in production."""

    class Meta:
        model = ModelVersion

    class Params:
        with_sets = False

    name = "test-model"
    version = factory.Sequence(lambda n: str(n + 1))
    architecture = "mobilenetv2-1.0"
    preprocessing_version = "1"
    directory = factory.LazyAttribute(lambda o: f"{o.name}/{o.version}")
    sha256 = factory.LazyAttribute(
        lambda o: hashlib.sha256(f"{o.name}:{o.version}".encode()).hexdigest()
    )
    facts = factory.LazyAttribute(
        lambda o: (
            facts_for(o.name, o.version, o.sha256) | (certainty_facts() if o.with_sets else {})
        )
    )


class AnalysisFactory(factory.django.DjangoModelFactory):
    """A finished analysis of a new radiograph.

    Traits: ``queued``, ``running``, ``failed`` (``error_code="undecodable"``); ``certain``,
    ``uncertain``, ``unlike``: by a version of format 2, else by one of format 1. Pass
    ``radiograph=`` to place it, ``is_current=None`` for an older one.
    """

    class Meta:
        model = Analysis

    class Params:
        unfinished = factory.Trait(
            finished_at=None,
            model_version=None,
            label="",
            certainty="",
            p_normal=None,
            p_lung_opacity=None,
            p_not_normal=None,
            timings={},
        )
        queued = factory.Trait(
            unfinished=True, status=Analysis.Status.QUEUED, started_at=None, attempts=0
        )
        running = factory.Trait(
            unfinished=True, status=Analysis.Status.RUNNING, claimed_by="test-delivery"
        )
        failed = factory.Trait(
            unfinished=True,
            status=Analysis.Status.FAILED,
            finished_at=factory.LazyFunction(timezone.now),
            error_code="undecodable",
        )

        # By a version of format 2.
        with_sets = factory.Trait(
            gate_score=0.4,
            model_version=factory.LazyFunction(
                lambda: (
                    ModelVersion.objects.filter(facts__format=2).first()
                    or ModelVersionFactory(with_sets=True)
                )
            ),
        )
        certain = factory.Trait(
            with_sets=True, certainty=Certainty.CERTAIN, prediction_set=["lung_opacity"]
        )
        uncertain = factory.Trait(
            with_sets=True,
            certainty=Certainty.UNCERTAIN,
            prediction_set=["lung_opacity", "not_normal"],
        )
        unlike = factory.Trait(
            with_sets=True, certainty=Certainty.UNLIKE, gate_score=3.0, prediction_set=["normal"]
        )

    radiograph = factory.SubFactory("tests.radiology.factories.RadiographFactory")
    owner = factory.LazyAttribute(lambda o: o.radiograph.owner)
    practice = factory.LazyAttribute(lambda o: o.radiograph.patient.practice)
    acquired_on = factory.LazyAttribute(lambda o: o.radiograph.acquired_on)
    requested_by = factory.LazyAttribute(lambda o: o.radiograph.uploaded_by)
    status = Analysis.Status.DONE
    attempts = 1
    queued_at = factory.LazyFunction(lambda: timezone.now() - timedelta(seconds=2))
    started_at = factory.LazyAttribute(lambda o: o.queued_at + timedelta(seconds=1))
    finished_at = factory.LazyFunction(timezone.now)
    model_version = factory.LazyFunction(
        lambda: (
            ModelVersion.objects.filter(in_production=True).first()
            or ModelVersionFactory(in_production=True)
        )
    )
    label = Label.LUNG_OPACITY
    p_normal = 0.05
    p_lung_opacity = 0.85
    p_not_normal = 0.10
    certainty = Certainty.HIGH
    timings = factory.LazyFunction(lambda: {"decode": 2.0, "network": 3.0, "total": 9.0})
