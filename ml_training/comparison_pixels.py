"""The part of a comparison that needs the images and the exported networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import localisation, shortcuts
from .comparison import LATENCY_IMAGES, Comparison, joined_features, latencies
from .comparison_candidates import SPLITS, Candidate
from .served import Outputs, read_image

# Maps compared with those of a randomised network: as many as a minute allows.
SANITY_MAPS = 40


def measure_on_pixels(comparison: Comparison, boxes: Path | None, say) -> None:
    """Fill ``shortcuts``, ``localisation`` and the latencies of ``comparison``."""
    cases = comparison.cases[comparison.split]
    for candidate in comparison.candidates:
        for name, splits in (("probe", SPLITS), ("probe_train", ("train",))):
            if not set(candidate.features).issuperset(splits):
                continue
            say(f"asking the features of {candidate.name} for the origin ({', '.join(splits)})")
            features, known = joined_features(candidate, comparison.cases, splits)
            entry = comparison.shortcuts.setdefault(candidate.name, {})
            entry[name] = shortcuts.origin_probe(
                features, known.truth, known.origins, known.patients
            )
    if not all(Path(path).is_file() for path in cases.files):
        return
    images = [read_image(Path(path)) for path in cases.files]
    served = [candidate for candidate in comparison.candidates if candidate.network]
    for candidate in served:
        say(f"covering and resampling the images of {candidate.name}")
        entry = comparison.shortcuts.setdefault(candidate.name, {})
        entry["changes"] = shortcuts.change_effects(
            candidate.network,
            images,
            cases.truth,
            cases.patients,
            candidate.probabilities[comparison.split],
        )
        if boxes is not None:
            say(f"holding the maps of {candidate.name} against the boxes")
            found = localise(candidate, comparison, images, localisation.read_boxes(boxes))
            if found:
                comparison.localisation[candidate.name] = found
    say("timing")
    for name, measured in latencies(served, images[:LATENCY_IMAGES]).items():
        comparison.costs[name]["latency"] = measured


def localise(
    candidate: Candidate, comparison: Comparison, images: list[np.ndarray], boxes: dict
) -> dict | None:
    """Hits of the hottest points of test opacities with boxes, and the sanity test.

    ``all``: every opacity that has a box; ``read``: those that were read as an opacity, whose
    map a doctor sees; ``above_mean``: all, the mean map of the split's other classes taken
    off, so that what every map shows at the same place does not count. None without boxes.
    """
    cases = comparison.cases[comparison.split]
    opacities = np.array(
        [
            place
            for place in np.flatnonzero(cases.truth == localisation.OPACITY)
            if cases.ids[place] in boxes
        ],
        dtype=int,
    )
    if not len(opacities):
        return None
    network = candidate.network
    chosen = [images[place] for place in opacities]
    outputs = network.outputs(chosen, maps=True)
    others = [images[p] for p in np.flatnonzero(cases.truth != localisation.OPACITY)]
    usual = localisation.opacity_maps(network, network.outputs(others, maps=True)).mean(axis=0)
    maps = localisation.opacity_maps(network, outputs)
    drawn = [boxes[cases.ids[place]] for place in opacities]
    patients = cases.patients[opacities]
    read = outputs.raw.argmax(axis=1) == localisation.OPACITY
    some = slice(0, SANITY_MAPS)
    part = Outputs(outputs.raw[some], outputs.features[some], outputs.maps[some])
    found = {
        "all": localisation.box_hits(maps, drawn, patients),
        "above_mean": localisation.box_hits(maps - usual, drawn, patients),
        "mean_map": maps.mean(axis=0).tolist(),
        "sanity": {
            "last_layer": localisation.correlations(
                maps[some], localisation.randomised_classifier(network, part)
            ),
            "all_layers": localisation.correlations(
                maps[some], localisation.randomised_network(network, chosen[some])
            ),
        },
    }
    if read.any():
        found["read"] = localisation.box_hits(
            maps[read], [one for one, kept in zip(drawn, read, strict=True) if kept], patients[read]
        )
    return found
