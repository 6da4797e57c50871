"""Whether a dataset that was built before may still be used: what patients allow changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from radiology.models import Radiograph

from .datasets import read_rows
from .errors import DatasetDamagedError, DatasetSourceError
from .sources_reviews import KIND, pseudonym, usable_radiographs

NO_CONSENT = "no_consent"
NOT_KNOWN = "not_known"
BURNED_IN_TEXT = "burned_in_text"


def images_to_drop(folder: Path) -> Iterator[tuple[dict, str]]:
    """The rows of a dataset's index that may not be used now, each with the reason.

    ``no_consent``: the patient's consent is withdrawn, or not given any more. ``not_known``:
    the radiograph is gone (the patient was erased), or was named under another secret key.
    ``burned_in_text``: it may carry text that names the patient, which was not known then.
    Raises :class:`DatasetDamagedError` and :class:`DatasetSourceError`.
    """
    try:
        source = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["source"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetDamagedError(reason="dataset.json cannot be read") from error
    if source != KIND:
        raise DatasetSourceError
    usable, known = _names(usable_radiographs()), _names(Radiograph.objects.all())
    with_text = _names(Radiograph.objects.exclude(text_state__in=Radiograph.TEXT_FREE))
    for row in read_rows(folder / "index.csv", required=("image_id", "file")):
        if row["image_id"] not in usable:
            yield row, NO_CONSENT if row["image_id"] in known else NOT_KNOWN
        elif row["image_id"] in with_text:
            yield row, BURNED_IN_TEXT


def _names(radiographs) -> set[str]:
    keys = radiographs.order_by().values_list("pk", flat=True)
    return {pseudonym("image", key) for key in keys.iterator()}
