"""Running a trained network on one rendered radiograph."""

from __future__ import annotations

import io
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .certainty import SMALLEST, CertaintyRules, softmax
from .errors import ModelFolderInvalidError, ModelUnusableError
from .gate import Gate
from .litert import FEATURES, GATE, PROBABILITIES, Network, gate_features
from .models import LABELS, ModelVersion
from .registry import read_facts, read_file, version_directory

if TYPE_CHECKING:
    import uuid


@dataclass(frozen=True)
class Prediction:
    """What one model version says of one radiograph.

    - ``probabilities``: calibrated, by class code, summing to 1.
    - ``raw``: the network's own softmax, float32 (3,), in the order of ``LABELS``.
    - ``activation``: float32 (rows, columns) of the last feature map, in [0, 1]; see
      :func:`local_probability`.
    - ``milliseconds``: by step (``input``, ``network``, ``activation``).
    - ``label``, ``certainty``, ``prediction_set``, ``gate_score``: see
      :class:`~inference.certainty.Judgement`.
    """

    label: str
    probabilities: dict[str, float]
    certainty: str
    activation: np.ndarray
    raw: np.ndarray
    milliseconds: dict[str, float]
    prediction_set: tuple[str, ...] | None = None
    gate_score: float | None = None


def local_probability(
    features: np.ndarray, kernel: np.ndarray, raw: np.ndarray, temperature: float
) -> np.ndarray:
    """The calibrated probability of each class by place, float32 (rows, columns, 3).

    Class activation mapping (Zhou et al., *Learning Deep Features for Discriminative
    Localization*, CVPR 2016): the last layer is linear and comes after a mean over all
    places, so the logits of the whole image are the mean of the logits of its places.
    ``features`` is (rows, columns, channels), ``kernel`` (channels, 3); the bias follows
    from ``raw``, the softmax of the whole image. Turning each place's logits into
    probabilities gives a fixed scale: 0.9 means the same on every image, and an image
    without evidence stays without colour (stretching each map to its own extremes would
    always show a hot spot).
    """
    places = features @ kernel
    bias = np.log(np.maximum(raw, SMALLEST)) - places.mean(axis=(0, 1))
    return softmax((places + bias) / temperature).astype(np.float32)


class Engine:
    """One loaded model version. Threads may share it."""

    def __init__(
        self, facts: dict, weights: bytes, kernel: np.ndarray, gate: Gate | None = None
    ) -> None:
        self.facts = facts
        self.name = f"{facts['name']}:{facts['version']}"
        self.size = int(facts["input_size"][0])
        self.rules = CertaintyRules(facts, gate)
        self.network = Network(weights)
        self._kernel = kernel
        self._check_shapes(gate)

    def _check_shapes(self, gate: Gate | None) -> None:
        """Raise ``ValueError`` where the network is not one of these facts and files."""
        channels, shapes = self._kernel.shape[0], self.network.output_shapes
        if (
            self.network.input_shape != [1, *self.facts["input_size"], 3]
            or shapes[PROBABILITIES] != [1, len(LABELS)]
            or shapes[FEATURES][-1] != channels
            or self._kernel.shape != (channels, len(LABELS))
            or (gate is not None and len(gate.mean) != shapes.get(GATE, shapes[FEATURES])[-1])
        ):
            raise ValueError("unexpected shapes")

    @classmethod
    def load(cls, directory: Path) -> Engine:
        """The engine of a model folder, after its checksums and facts were checked.

        Raises :class:`~inference.errors.ModelUnusableError` when a file is missing or altered, or
        the version was made for another model input.
        """
        directory = Path(directory)
        try:
            facts = read_facts(directory)
            weights = read_file(directory, facts, "litert")
            kernel = np.load(
                io.BytesIO(read_file(directory, facts, "classifier")), allow_pickle=False
            )
            gate = None
            if "gate" in facts["files"]:
                content = read_file(directory, facts, "gate")
                gate = Gate.from_bytes(content, facts["gate"]["threshold"])
            return cls(facts, weights, kernel, gate)
        except ModelFolderInvalidError as error:
            raise ModelUnusableError(**error.params) from error
        except (ValueError, RuntimeError) as error:
            raise ModelUnusableError(reason="its weights are not what this program runs") from error

    def predict(self, rendered: np.ndarray) -> Prediction:
        """Read ``rendered``, uint8 (rows, columns) with 0 as black."""
        from .model_input import model_input

        start = time.perf_counter()
        image = model_input(rendered, self.size)
        prepared = time.perf_counter()
        outputs = self.network.run(image)
        raw, places = outputs[PROBABILITIES], outputs[FEATURES]
        known_by = gate_features(outputs)
        ran = time.perf_counter()
        judged = self.rules.judge(raw, known_by)
        best = LABELS.index(judged.label)
        temperature = self.rules.temperature
        activation = local_probability(places, self._kernel, raw, temperature)[..., best]
        end = time.perf_counter()
        return Prediction(
            label=judged.label,
            probabilities=dict(zip(LABELS, judged.probabilities.tolist(), strict=True)),
            certainty=judged.certainty,
            prediction_set=judged.prediction_set,
            gate_score=judged.gate_score,
            activation=activation,
            raw=raw,
            milliseconds={
                "input": 1000 * (prepared - start),
                "network": 1000 * (ran - prepared),
                "activation": 1000 * (end - ran),
            },
        )


_lock = threading.Lock()
_loaded: tuple[uuid.UUID, Engine] | None = None


def engine_for(version_id: uuid.UUID) -> Engine:
    """The engine of a registered version; the last one used stays loaded in this process.

    Raises :class:`~inference.errors.ModelUnusableError`.
    """
    global _loaded
    with _lock:
        if _loaded is None or _loaded[0] != version_id:
            version = ModelVersion.objects.get(pk=version_id)
            engine = Engine.load(version_directory(version))
            if engine.facts["files"]["litert"]["sha256"] != version.sha256:
                raise ModelUnusableError(reason="its files are not those that were registered")
            _loaded = version_id, engine
        return _loaded[1]
