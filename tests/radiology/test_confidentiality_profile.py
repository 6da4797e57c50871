"""Every attribute of PS3.15, table E.1-1, with a planted person, and where such things hide."""

import datetime as dt
import io
import itertools
import struct
from pathlib import Path

import numpy as np
import pytest
from django.apps import apps
from django.core.files.storage import default_storage
from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.sequence import Sequence
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from inference.models import Analysis
from inference.registry import shipped_directories
from inference.services import analysis_run, model_register, reading_submit
from operations.storage import stored_files
from radiology.depth import depth_derive
from radiology.dicom.decode import stored_values
from radiology.dicom.header import inspect
from radiology.errors import InvalidUidError
from tests.patients.factories import PatientFactory

from .factories import chest_pixels, dicom_dataset, to_bytes
from .test_deidentify import stored

NAME, DAY, CLOCK, AGE, NUMBER, UID = "DUPONT", "19370907", "081517", "087Y", "4711.0815", "1.2.4711"
TRACES = (NAME, DAY, CLOCK, AGE, NUMBER, UID)
# Kept by the Retain UIDs option, which docs/deidentification.md claims.
RETAINED = {0x00020003, 0x00080018, 0x0020000D, 0x0020000E}
# Elements of commands, directories and file meta information are in no data set (PS3.10, 7).
ELSEWHERE = 0x00080000
SYNTAXES = [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, JPEGBaseline8Bit]


def profile() -> dict[int, str]:
    """Tag and action of each attribute of the table."""
    lines = Path(__file__).with_name("confidentiality_profile.txt").read_text().splitlines()
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {int(tag, 16): action for tag, action in rows}


def person() -> Dataset:
    """Somebody, three sequences deep and in a private one."""
    deepest, deeper, item = Dataset(), Dataset(), Dataset()
    deepest.PatientName, deepest.PatientBirthDate = f"{NAME}^NESTED", DAY
    deeper.ContentSequence = [deepest]
    deeper.TextValue = NAME
    item.ImageComments = f"Madame {NAME}, née le {DAY}"
    item.PersonName = NAME
    item.RequestAttributesSequence = [deeper]
    private = item.private_block(0x0029, NAME, create=True)
    private.add_new(0x10, "SQ", [deepest])
    return item


def planted(tag: int, vr: str):
    """A value of ``vr`` that names somebody; with the tag, so that a trace can be followed."""
    text = f"{NAME}{tag:08X}"
    values = {
        "AE": text,
        "AS": AGE,
        "CS": text,
        "DA": DAY,
        "DS": NUMBER,
        "DT": DAY + CLOCK,
        "IS": "4711",
        "OB": text.encode() + text.encode(),
        "SQ": [person()],
        "TM": CLOCK,
        "UI": f"{UID}.{tag}",
        "UN": text.encode(),
        "UR": f"https://{text}.example/{DAY}",
        "US": 0x4455,
    }
    return values.get(vr, text)


def vr_of(tag: int) -> str:
    # pydicom's dictionary is older than the table: what it does not know is written as text.
    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"


def planted_dataset(syntax: str) -> Dataset:
    dataset = dicom_dataset(transfer_syntax=syntax)
    for tag in profile():
        if tag >= ELSEWHERE and tag not in RETAINED:
            vr = vr_of(tag)
            dataset[tag] = DataElement(tag, vr, planted(tag, vr))
    return dataset


def test_the_table_is_whole():
    actions = profile()
    assert len(actions) == 652
    assert {0x00100010, 0x00100020, 0x00081030, 0x00104000, 0x0040A730, 0x00880200} <= set(actions)
    held = [vr_of(tag) for tag in actions]
    assert {"AE", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "SQ", "ST", "TM", "UT"} <= set(held)


@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda uid: uid.name)
def test_nothing_of_the_table_is_left(syntax):
    content = to_bytes(planted_dataset(syntax))
    for trace in TRACES:
        assert content.count(trace.encode()) >= 2, f"{trace} was not planted"

    clean = stored(content)

    for trace in TRACES:
        assert trace.encode() not in clean, clean[clean.index(trace.encode()) :][:32]
    kept = {element.tag for element in dcmread(io.BytesIO(clean)) if not element.is_empty}
    added = {0x00120063, 0x00120064, 0x00280303}
    assert (kept & set(profile())) <= RETAINED | added


@pytest.mark.parametrize("tag", sorted(RETAINED - {0x00020003}))
def test_what_is_retained_is_a_uid_or_refused(tag):
    """A UID that stays holds digits and dots, or the file does not come in."""
    dataset = dicom_dataset()
    dataset[tag] = DataElement(tag, "UI", "1.2.3", already_converted=True)
    content = to_bytes(dataset).replace(
        struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"UI", 6) + b"1.2.3\0",
        struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, b"UI", 6) + NAME.encode(),
    )
    assert NAME.encode() in content
    with pytest.raises(InvalidUidError):
        stored(content)


HIDING_PLACES = {
    "private attributes": [(0x00090010, "LO"), (0x00091001, "LO"), (0x00091002, "OB")],
    "private sequences": [(0x00290010, "LO"), (0x00291001, "SQ")],
    "curves": [
        (group << 16 | element, vr)
        for group in range(0x5000, 0x5020, 2)
        for element, vr in ((0x0022, "LO"), (0x0040, "SH"), (0x3000, "OB"))
    ],
    "overlays": [
        (group << 16 | element, vr)
        for group in range(0x6000, 0x6020, 2)
        for element, vr in (
            (0x0022, "LO"),
            (0x1500, "LO"),
            (0x3000, "OB"),
            (0x4000, "LT"),
        )
    ],
    "unknown attributes": [(0x0008F049, "UN"), (0x00430013, "UN")],
    "icons": [(0x00880200, "SQ")],
    "structured text": [(0x0040A730, "SQ"), (0x0040A160, "UT"), (0x00420011, "OB")],
    "signatures": [(0xFFFAFFFA, "SQ")],
    "padding behind the pixels": [(0xFFFCFFFC, "OB")],
}


@pytest.mark.parametrize("place", HIDING_PLACES)
def test_a_hiding_place(place):
    dataset = dicom_dataset()
    for tag, vr in HIDING_PLACES[place]:
        value = planted(tag, vr)
        if vr == "SQ":
            item = person()
            item.Rows = item.Columns = 8
            item.PixelData = NAME.encode() * 8
            item["PixelData"].VR = "OB"
            value = Sequence([item])
        dataset[tag] = DataElement(tag, vr, value)
    content = to_bytes(dataset)
    assert NAME.encode() in content
    clean = stored(content)
    for trace in TRACES:
        assert trace.encode() not in clean


def test_file_meta_information_and_preamble():
    dataset = dicom_dataset()
    meta = dataset.file_meta
    meta.SourceApplicationEntityTitle = meta.SendingApplicationEntityTitle = NAME
    meta.ReceivingApplicationEntityTitle = meta.ImplementationVersionName = NAME
    meta.SourcePresentationAddress = f"https://{NAME}.example"
    meta.PrivateInformationCreatorUID, meta.PrivateInformation = UID, NAME.encode()
    content = to_bytes(dataset, preamble=(NAME * 22).encode()[:128])
    assert content.count(NAME.encode()) > 20
    clean = stored(content)
    assert NAME.encode() not in clean
    assert UID.encode() not in clean


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
@pytest.mark.parametrize(("bits", "signed"), [(12, False), (12, True), (10, True)])
def test_an_overlay_in_the_pixels_spare_bits_is_gone(syntax, bits, signed):
    pixels = chest_pixels(130, 98, bits_stored=bits, signed=signed)
    clean_values = stored_values(
        inspect(
            io.BytesIO(
                to_bytes(dicom_dataset(pixels=pixels, bits_stored=bits, transfer_syntax=syntax))
            )
        )
    )
    overlay = pixels.view(pixels.dtype.str.replace("i", "u")).copy()
    overlay[20:40, 10:90] ^= 1 << (8 * overlay.itemsize - 2)  # A name, drawn into a spare bit.
    marked = dicom_dataset(
        pixels=overlay.view(pixels.dtype), bits_stored=bits, transfer_syntax=syntax
    )
    marked.PixelRepresentation = int(signed)

    clean = stored(to_bytes(marked))

    order = ">" if syntax == ExplicitVRBigEndian else "<"
    left = np.frombuffer(dcmread(io.BytesIO(clean)).PixelData, pixels.dtype.newbyteorder(order))
    np.testing.assert_array_equal(left.reshape(pixels.shape), pixels)
    np.testing.assert_array_equal(stored_values(inspect(io.BytesIO(clean))), clean_values)


def everything_in_the_database() -> bytes:
    """Every value of every row of every table, as text."""
    rows = itertools.chain.from_iterable(
        model._base_manager.values_list() for model in apps.get_models()
    )
    return "\n".join(repr(row) for row in rows).encode()


def everything_in_the_storage() -> dict[str, bytes]:
    found = {}
    for folder in ("radiographs", "analyses", "uploads"):
        for file in stored_files(folder):
            with default_storage.open(file.name) as opened:
                found[file.name] = opened.read()
    return found


@pytest.mark.django_db
def test_nothing_is_left_after_the_whole_way(django_capture_on_commit_callbacks):
    """Uploaded, read, with preview, map and full depth: files, and every row of the database."""
    model_register(directory=shipped_directories()[-1], promote=True)
    patient = PatientFactory(birth_date=dt.date(1937, 9, 7), sex="F")
    dataset = planted_dataset(ExplicitVRLittleEndian)
    # What the patient's record says may stand in the database; so the file must not differ.
    dataset.PatientAge = "086Y"
    dataset.BurnedInAnnotation = "YES"
    reading = reading_submit(
        patient=patient,
        uploaded_by=patient.owner,
        file=io.BytesIO(to_bytes(dataset)),
        acquired_on=dt.date(2024, 1, 15),
    )
    analysis_run(analysis_id=reading.analysis.pk)
    analysis = Analysis.objects.select_related("radiograph").get(pk=reading.analysis.pk)
    assert analysis.status == "done"
    depth_derive(radiograph_id=analysis.radiograph_id)

    files = everything_in_the_storage()
    assert {name.rsplit("/", 1)[1].split("-")[0].split(".")[0] for name in files} == {
        "image",
        "preview",
        "map",
        "depth",
    }
    for name, content in files.items():
        for trace in TRACES:
            assert trace.encode() not in content, name
    preview = next(content for name, content in files.items() if name.endswith("preview.jpg"))
    assert not any(bytes([0xFF, code]) in preview[:1000] for code in (*range(0xE1, 0xF0), 0xFE))
    rows = everything_in_the_database()
    for trace in TRACES:
        assert trace.encode() not in rows, trace
    # The image says of itself that text was burned in: a person is told, everywhere it is shown.
    assert {"code": "burned_in_annotation"} in analysis.radiograph.warnings
