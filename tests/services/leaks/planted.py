"""The values that are planted for the journey, and the files that carry some of them."""

from __future__ import annotations

import datetime as dt
import io
import zipfile

from tests.accounts.factories import rpps
from tests.e2e.world import undecodable_bytes
from tests.radiology.factories import dicom_dataset, to_bytes

from .markers import Marker, date_texts

IDENTIFIER = "Zqdossier-4711/Été"
OTHER_IDENTIFIER = "Zqautre-4712/Noël"
WRONG_IDENTIFIER = "Zqfaux<4713>é"
BORN = dt.date(1937, 10, 29)
COMMENT = "Zqremarque: râles à gauche, «suite»"
# A doctor, a colleague, and somebody who has no account.
LAST_NAME, FIRST_NAME = "Zqpraticienne-Müller", "Zqéloïse"
EMAIL = "zqmedecin4711@example.org"
NUMBER = rpps(47_114_711)
COLLEAGUE = "zqconfrere4711@example.org"
STRANGER = "zqinconnu4711@example.org"
PASSWORD = "Zqphrase secrète 4711"
NEW_PASSWORD = "Zqnouvelle phrase 4711 é"
# In the file that is sent, and nowhere after.
PATIENT_NAME = "Zqpersonne^Zqanaïs"
DICOM_IDENTIFIER = "ZQDICOM-4711"
INSTITUTION = "Zqhôpital Saint-Exemple"
REFERRER = "Zqprescripteur^Zqodile"
REMARK = "Zqtexte libre de l'opérateur"
FILE_NAME = "Zqfichier reçu 4711.dcm"
FOLDER_NAME = "Zqdossiers exportés"
# What is typed where nothing of a patient belongs.
QUERY = "zqrecherche 4711 é"
PATH = "zqchemin-4711"
HEADER = "zqentete4711"
# What a database says of a row that it refuses.
COMPLAINT = "zqrefus4711"


def markers() -> dict[str, Marker]:
    """Every planted value by its name."""
    texts = {
        "identifier": [IDENTIFIER, OTHER_IDENTIFIER],
        "identifier refused": [WRONG_IDENTIFIER],
        "birth date": date_texts(BORN),
        "comment": [COMMENT],
        "doctor's name": [LAST_NAME, FIRST_NAME],
        "doctor's e-mail": [EMAIL],
        "doctor's number": [NUMBER],
        "colleague's e-mail": [COLLEAGUE],
        "stranger's e-mail": [STRANGER],
        "password": [PASSWORD, NEW_PASSWORD],
        "name in the file": ["Zqpersonne^Zqanaïs", "Zqpersonne", "Zqanaïs"],
        "identifier in the file": [DICOM_IDENTIFIER],
        "institution": [INSTITUTION],
        "referring physician": ["Zqprescripteur^Zqodile", "Zqprescripteur", "Zqodile"],
        "free text in the file": [REMARK],
        "file name": ["Zqfichier", FILE_NAME],
        "folder name": ["Zqdossiers", FOLDER_NAME],
        "typed query": [QUERY],
        "typed path": [PATH],
        "typed header": [HEADER],
        "database's complaint": [COMPLAINT],
    }
    return {name: Marker(name, *values) for name, values in texts.items()}


TAGS = {
    "PatientName": PATIENT_NAME,
    "PatientID": DICOM_IDENTIFIER,
    "PatientBirthDate": f"{BORN:%Y%m%d}",
    "PatientSex": "F",
    "OtherPatientNames": "Zqpersonne",
    "PatientAddress": REMARK,
    "PatientComments": REMARK,
    "ImageComments": REMARK,
    "StudyDescription": REMARK,
    "InstitutionName": INSTITUTION,
    "InstitutionAddress": INSTITUTION,
    "ReferringPhysicianName": REFERRER,
    "OperatorsName": REFERRER,
    "StationName": DICOM_IDENTIFIER,
}


def radiograph(seed: int = 0, **values) -> bytes:
    """A chest radiograph that names everybody; it is read."""
    return to_bytes(dicom_dataset(seed=seed, **TAGS | values))


def not_decodable() -> bytes:
    """The same with damaged pixels: it is taken, and reading it fails."""
    import pydicom

    dataset = pydicom.dcmread(io.BytesIO(undecodable_bytes()))
    for tag, value in TAGS.items():
        setattr(dataset, tag, value)
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def refused() -> dict[str, bytes]:
    """Files that are no radiograph, or one that lies, each with the values in it."""
    good = radiograph()
    return {
        "text": f"{PATIENT_NAME} {IDENTIFIER} {BORN}".encode() * 20,
        "cut": good[: len(good) // 3],
        "not a chest": radiograph(BodyPartExamined="FOOT"),
        "no such date": good.replace(b"19371029", b"1937ZQ29"),
        "unknown characters": good.replace(b"ISO_IR 192", b"ZQHOPITAL "),
        "no modality": radiograph(Modality="ZQMOD"),
    }


def archive() -> bytes:
    """Radiographs in folders named after somebody, and a file that is none."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(f"{FOLDER_NAME}/1 {FILE_NAME}", radiograph(seed=11))
        packed.writestr(f"{FOLDER_NAME}/2 {FILE_NAME}", b"DICM" + PATIENT_NAME.encode())
        packed.writestr(f"{FOLDER_NAME}/notes.txt", f"{PATIENT_NAME} {BORN}")
        packed.writestr(f"{FOLDER_NAME}/cut.dcm", radiograph(seed=12)[:4000])
    return out.getvalue()


def odd_requests() -> list[bytes]:
    """What no browser sends, each with an identifier where the server may quote it."""
    where = f"/patients/?q={IDENTIFIER}".replace(" ", "%20").encode()
    return [
        b"GET %s HTTP/9.9\r\nHost: localhost\r\n\r\n" % where,
        b"GET %s\r\n\r\n" % where,
        b"%s\r\n\r\n" % where,
        b"GET /patients/ HTTP/1.1\r\nHost: localhost\r\n%s\r\n\r\n" % where,
        b"GET /patients/ HTTP/1.1\r\nHost: localhost\r\n%s : a\r\n\r\n" % where,
        b"GET /patients/ HTTP/1.1\r\nHost: localhost\r\nX-A: %s\0\r\n\r\n" % where,
        b"POST /patients/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n" % where,
        b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n%s\r\n" % where,
        b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (where + b"a" * 9000),
    ]
