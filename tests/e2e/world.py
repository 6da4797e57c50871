"""What the walks over all pages find: accounts of each kind, and readings of one doctor."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import JPEGLSLossless

from tests.accounts.factories import PASSWORD
from tests.e2e.stack import Stack
from tests.radiology.factories import dicom_dataset, to_bytes

# Made in the application's own database, since nobody signs up as suspended.
ACCOUNTS = """
import json
from accounts.tokens.services import token_create
from accounts.models import Doctor
from accounts.practices.programs import program_create
from accounts.practices.services import practice_create
from inference.models import ModelVersion
from tests.accounts.factories import AdminFactory, DoctorFactory, joined, rpps
base = 5_000_000 + Doctor.objects.count()
made = {}
for place, kind in enumerate(("doctor", "new", "suspended", "refused", "colleague")):
    made[kind] = DoctorFactory(
        email=f"{kind}{base}@example.org",
        registration_number=rpps(base + place),
        **({"verification": kind} if kind in Doctor.Verification.values else {}),
    ).email
made["admin"] = AdminFactory(email=f"admin{base}@example.org").email
doctor = Doctor.objects.get(email=made["doctor"])
token_create(
    owner=doctor,
    name="Archive, ward 3",
    scopes=["read", "upload"],
    networks=["192.0.2.0/24", "2001:db8::/32"],
)
practice = practice_create(by=doctor, name="Cabinet du Port")
program = program_create(practice=practice, by=doctor, name="Archive")
made["program"] = program.pk
joined(practice, Doctor.objects.get(email=made["colleague"]))
model = ModelVersion.objects.order_by("-registered_at").first()
made["model"] = [model.name, model.version]
print("MADE", json.dumps(made))
"""


@dataclass
class World:
    """Addresses by role (``doctor``, ``colleague``, ``new``...) and keys."""

    stack: Stack
    emails: dict[str, str] = field(default_factory=dict)
    model: list[str] = field(default_factory=list)
    program: int = 0
    patients: list[str] = field(default_factory=list)
    radiographs: list[str] = field(default_factory=list)
    failed: str = ""

    @classmethod
    def build(cls, stack: Stack, files: list[Path], broken: Path | None = None) -> World:
        """Accounts, and ``files`` read as radiographs of one patient of the doctor's."""
        world = cls(stack)
        done = stack.manage("shell", "--command", ACCOUNTS)
        made = json.loads(next(x for x in done.splitlines() if x.startswith("MADE"))[5:])
        world.model = made.pop("model")
        world.program = made.pop("program")
        world.emails = made
        person = {"patient_identifier": "IPP-2041", "birth_date": "1957-11-02", "sex": "F"}
        with world.api() as api:
            for number, file in enumerate(files):
                day = {"acquired_on": f"2024-0{1 + number % 9}-12"}
                world.radiographs.append(world.send(api, file, **person, **day)["id"])
            if files:
                world.approve(api, world.radiographs[-1])
            if broken:
                world.failed = world.send(api, broken, **person, acquired_on="2024-10-01")["id"]
        return world

    def approve(self, api: httpx.Client, radiograph: str) -> None:
        """One judgement, so that there is something to count."""
        analysis = api.get(f"/radiographs/{radiograph}/").json()["analysis"]
        # Named, since a reading that is not certain names more than one class.
        judgement = {"verdict": "approved", "label": analysis["label"]}
        answer = api.post(f"/analyses/{analysis['id']}/reviews/", json=judgement)
        assert answer.status_code == 201, answer.text

    @contextlib.contextmanager
    def api(self) -> Iterator[httpx.Client]:
        """A client of the API with the doctor's token."""
        with httpx.Client(base_url=f"{self.stack.url}/api/v1", timeout=60) as api:
            credentials = {"email": self.emails["doctor"], "password": PASSWORD}
            answer = api.post("/auth/token/", json=credentials)
            api.headers["Authorization"] = f"Token {answer.json()['token']}"
            yield api

    def send(self, api: httpx.Client, file: Path, *, wait: bool = True, **values: str) -> dict:
        """The radiograph as the API tells of it, read unless ``wait`` is false."""
        with file.open("rb") as content:
            answer = api.post("/radiographs/", data=values, files={"file": content})
        assert answer.status_code == 202, answer.text
        found = answer.json()
        if found["patient"]["id"] not in self.patients:
            self.patients.append(found["patient"]["id"])
        deadline = time.monotonic() + 60
        while wait and found["status"] in ("queued", "running"):
            assert time.monotonic() < deadline, "no reading within a minute"
            found = api.get(f"/radiographs/{found['id']}/", params={"wait": 10}).json()
        return found


def undecodable_bytes() -> bytes:
    """A radiograph whose header is right and whose compressed pixels are damaged half-way."""
    dataset = dicom_dataset(transfer_syntax=JPEGLSLossless)
    stream = next(generate_frames(dataset.PixelData, number_of_frames=1))
    half = len(stream) // 2
    damaged = stream[:half] + b"\x00\x01" * ((len(stream) - half - 2) // 2) + stream[-2:]
    dataset.PixelData = encapsulate([damaged])
    return to_bytes(dataset)
