"""A trained network as LiteRT runs it, on one thread for each caller.

The runtime is imported when a network is made: a worker's child does that at its first reading,
its parent and the web process never do.
"""

from __future__ import annotations

import threading

import numpy as np

# A network's outputs are told apart by how many dimensions they have, the batch's included:
# probabilities (1, classes), what the gate looks at (1, 1, channels; not every network has it),
# and the last feature map (1, rows, columns, channels).
PROBABILITIES, GATE, FEATURES = 2, 3, 4


class Network:
    """One network. Threads may share it: each gets an interpreter of its own.

    Raises ``ValueError`` or ``RuntimeError`` where ``weights`` are none that LiteRT runs.
    """

    def __init__(self, weights: bytes) -> None:
        self._weights = weights
        self._threads = threading.local()
        _, entry, outputs = self._interpreter()
        self.input_shape = entry["shape"].tolist()
        self.output_shapes = {kind: out["shape"].tolist() for kind, out in outputs.items()}

    def _interpreter(self):
        """This thread's interpreter with its input and its outputs."""
        ready = getattr(self._threads, "ready", None)
        if ready is None:
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(model_content=self._weights, num_threads=1)
            interpreter.allocate_tensors()
            (entry,) = interpreter.get_input_details()
            outputs = {len(out["shape"]): out for out in interpreter.get_output_details()}
            ready = self._threads.ready = interpreter, entry, outputs
        return ready

    def run(self, image: np.ndarray) -> dict[int, np.ndarray]:
        """The outputs for ``image``, float32 (size, size, 3), without the batch's dimension."""
        interpreter, entry, outputs = self._interpreter()
        interpreter.set_tensor(entry["index"], image[np.newaxis])
        interpreter.invoke()
        return {kind: interpreter.get_tensor(out["index"])[0] for kind, out in outputs.items()}


def gate_features(outputs: dict[int, np.ndarray]) -> np.ndarray:
    """What a gate judges, float32 (channels,): its own output, or the mean of the last map."""
    return outputs[GATE].ravel() if GATE in outputs else outputs[FEATURES].mean(axis=(0, 1))
