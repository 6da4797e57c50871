"""What is a frontal chest radiograph: the one place of the rule."""

from __future__ import annotations

import re

from pydicom import Dataset
from pydicom.uid import SecondaryCaptureImageStorage

from radiology.errors import (
    NotChestError,
    NotFrontalError,
    WrongModalityError,
    WrongSopClassError,
)

from .attributes import text, texts, value_of
from .syntaxes import SOP_CLASSES, uid_name

MODALITIES = frozenset({"CR", "DX"})
# Secondary captures often say only that they are one; these say nothing against a radiograph.
UNSPECIFIC_MODALITIES = frozenset({"", "OT", "SC", "RG", "XR"})

CHEST = re.compile(r"CHEST|THORA|TORAX|TORACE|LUNG|POUMON|PULMO|POITRINE|BRUST")
# PS3.16, annex L (correspondence of codes and body parts), and words in use beside it.
OTHER_BODY_PARTS = frozenset(
    """
    ABDOMEN ABDOMENPELVIS ANKLE ARM BLADDER BRAIN BREAST BUTTOCK CALCANEUS CALF CAROTID
    CERVIX CHEEK CLAVICLE COCCYX COLON CSKULL CSPINE CTSPINE EAR ELBOW EXTREMITY EYE FEMUR
    FINGER FOOT FOREARM HAND HEAD HEADNECK HEART HIP HUMERUS JAW KIDNEY KNEE LARYNX LEG
    LIVER LSPINE LSSPINE MANDIBLE MAXILLA NECK ORBIT PELVIS PHARYNX RADIUS RIB RIBS SACRUM
    SCAPULA SELLA SHOULDER SINUS SKULL SPINE SSPINE STERNUM TEETH THIGH THUMB TIBIA TLSPINE
    TMJ TOE TSPINE ULNA WHOLEBODY WHOLESPINE WRIST ZYGOMA
    """.split()  # noqa: SIM905
)

FRONTAL_VIEWS = frozenset({"PA", "AP"})
# PS3.3, C.8.7.1 (View Position (0018,5101)) and words in use beside it.
OTHER_VIEWS = frozenset({"LL", "RL", "LAT", "LATERAL", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO"})
# The beam is frontal, the patient lies on a side: nothing to refuse, something to look at.
DECUBITUS_VIEWS = frozenset({"LLD", "RLD"})
# PS3.16, CID 4010: (code, SCT and the older SRT and SNM3) -> view.
VIEW_CODES = {
    **dict.fromkeys(("272479007", "R-40888", "R-10214"), "PA"),
    **dict.fromkeys(("399348003", "R-10206"), "AP"),
    **dict.fromkeys(("399067008", "R-102CD", "30730003", "G-A145"), "LATERAL"),
    **dict.fromkeys(("399173006", "R-10236"), "LL"),
    **dict.fromkeys(("399198007", "R-10232"), "RL"),
    **dict.fromkeys(("399135007", "R-10220"), "LAO"),
    **dict.fromkeys(("399356000", "R-40985"), "RAO"),
    **dict.fromkeys(("399006002", "R-10212"), "LPO"),
    **dict.fromkeys(("399038007", "R-10210"), "RPO"),
}
# PS3.16, CID 4009 and its like: thorax, chest wall, lung.
CHEST_CODES = frozenset(
    {"816094009", "51185008", "T-D3000", "78904004", "T-D3050", "39607008", "T-28000"}
)
SNOMED_SCHEMES = frozenset({"SCT", "SRT", "SNM3", "99SDM"})
KNOWN_VIEWS = FRONTAL_VIEWS | OTHER_VIEWS | DECUBITUS_VIEWS


def judge(dataset: Dataset, sop_class: str) -> list[dict]:
    """Refuse what says that it is no frontal chest radiograph, flag what does not say.

    ===============  =========================================  ===========================
    attribute        refuses                                    only flags
    ===============  =========================================  ===========================
    SOP class        all but CR, DX for presentation and        secondary capture
                     Secondary Capture                          (``secondary_capture``)
    modality         all but CR and DX                          in a secondary capture:
                                                                absent, OT, SC, RG, XR
                                                                (``modality_unknown``)
    body part        a known part of the body without the       absent, or a word that
                     word chest (or thorax, lung...) in it      nobody knows
                                                                (``body_part_unknown``)
    view             lateral and oblique; with no view given,   neither PA nor AP, lateral
                     pixel rows that run front to back          decubitus, absent
                     (Patient Orientation)                      (``view_unknown``)
    burned-in text   nothing                                    declared
                                                                (``burned_in_annotation``)
    ===============  =========================================  ===========================

    Returns the flags as ``{"code": ..., **facts}``. Raises ``WrongSopClassError``,
    ``WrongModalityError``, ``NotChestError``, ``NotFrontalError``.
    """
    if sop_class not in SOP_CLASSES:
        raise WrongSopClassError(found=uid_name(sop_class))
    is_capture = sop_class == SecondaryCaptureImageStorage
    warnings = []
    if is_capture:
        warnings.append({"code": "secondary_capture"})

    modality = text(dataset, "Modality")
    if modality not in MODALITIES:
        if not is_capture or modality not in UNSPECIFIC_MODALITIES:
            is_code = re.fullmatch("[A-Z]{2,4}", modality)
            raise WrongModalityError(found=modality if is_code else "?")
        warnings.append({"code": "modality_unknown"})

    part = body_part(dataset)
    if part in OTHER_BODY_PARTS:
        raise NotChestError(found=part)
    if part != "CHEST":
        warnings.append({"code": "body_part_unknown"})

    view = view_position(dataset)
    if view in OTHER_VIEWS:
        raise NotFrontalError(found=view)
    if not view and _rows_run_front_to_back(dataset):
        raise NotFrontalError(found="LATERAL")
    if view not in FRONTAL_VIEWS:
        warnings.append({"code": "view_unknown"} | ({"view": view} if view else {}))

    if text(dataset, "BurnedInAnnotation") == "YES":
        warnings.append({"code": "burned_in_annotation"})
    return warnings


def body_part(dataset: Dataset) -> str:
    """``"CHEST"``, another known part of the body, or ``""`` for absent or unknown words.

    By Body Part Examined or else Anatomic Region Sequence, which can only say that it is one.
    """
    part = re.sub(r"[^A-Z]", "", text(dataset, "BodyPartExamined"))
    if "SPINE" in part:
        return "SPINE"
    if CHEST.search(part):
        return "CHEST"
    if not part:
        codes = coded_values(dataset, "AnatomicRegionSequence")
        return "CHEST" if CHEST_CODES.intersection(codes) else ""
    return part if part in OTHER_BODY_PARTS else ""


def view_position(dataset: Dataset) -> str:
    """A view of ``KNOWN_VIEWS``, by View Position or else View Code Sequence, or ``""``."""
    view = text(dataset, "ViewPosition")
    if view:
        return view if view in KNOWN_VIEWS else ""
    codes = coded_values(dataset, "ViewCodeSequence")
    return next((VIEW_CODES[code] for code in codes if code in VIEW_CODES), "")


def coded_values(dataset: Dataset, keyword: str) -> list[str]:
    """The SNOMED codes in a code sequence (PS3.3, 8)."""
    items = value_of(dataset, keyword) or ()
    return [
        text(item, "CodeValue")
        for item in items
        if text(item, "CodingSchemeDesignator") in SNOMED_SCHEMES
    ]


def _rows_run_front_to_back(dataset: Dataset) -> bool:
    """Whether the image is seen from the side (Patient Orientation, PS3.3, C.7.6.1.1.1)."""
    orientation = texts(dataset, "PatientOrientation")
    return len(orientation) == 2 and orientation[0].upper() in ("A", "P")
