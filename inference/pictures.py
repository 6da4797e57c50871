"""Files of labelled radiographs, for evaluating and training: DICOM, or pictures made of it.

They are decoded here: for commands alone.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .errors import ImageUnreadableError

if TYPE_CHECKING:
    from radiology.dicom.header import Header

# What a file of another name is read as: DICOM.
SUFFIXES = frozenset({".png", ".jpg", ".jpeg"})


def read_labelled(content: bytes, suffix: str) -> tuple[np.ndarray, Header | None]:
    """The image, uint8 (H, W): a DICOM file as serving renders it, with its header; a picture
    (by ``suffix``) as it is, within the limits of size of an upload.

    Raises the coded errors of ``radiology`` and :class:`ImageUnreadableError`.
    """
    from radiology.dicom.header import check_sides, inspect

    if suffix.lower() not in SUFFIXES:
        from radiology.dicom.decode import stored_values
        from radiology.dicom.render import rendered

        inspection = inspect(io.BytesIO(content))
        return rendered(inspection, stored_values(inspection)), inspection.header
    image = decode(content)
    if image is None:
        raise ImageUnreadableError
    check_sides(*image.shape)
    return image, None


def decode(content: bytes) -> np.ndarray | None:
    """An image file's bytes as 8-bit grey (H, W), or ``None`` when they are none."""
    if not content:
        return None
    flags = cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    if image is None or image.dtype == np.uint8:
        return image
    return (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else None
