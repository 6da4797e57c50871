"""A doctor's own data, to be handed out (GDPR, articles 15 and 20).

Told is what is known of the doctor, and what they did, by keys. Nothing in it says who a patient is
or what ails them: patients ask for their own data (``patient_export``), and the record of access
keeps who touched it. Comments that a doctor typed about a patient are the patient's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import models
from django.template.loader import render_to_string
from django.utils import timezone, translation

from accounts.models import (
    ApiToken,
    Doctor,
    PracticeInvitation,
    PracticeMembership,
    RegistrationProof,
    VerificationStep,
)
from inference.models import Analysis, Review
from operations.models import AccessEvent, Anomaly
from operations.services import access_record
from patients.models import EmergencyAccess, Erasure, Patient
from radiology.models import Radiograph, SecondReading

from .archive import Stored, zip_stream
from .document import doctor_document, meaning, plain

FORMAT = "pneumoniapp-doctor"
VERSION = 1
CHUNK = 500
# Columns of the account that are told.
ACCOUNT = (
    "id",
    "email",
    "first_name",
    "last_name",
    "registration_number",
    "verification",
    "verified_at",
    "verified_until",
    "renamed_from",
    "language",
    "mail_when_read",
    "read_first",
    "read_first_since",
    "practice",
    "practice_role",
    "is_active",
    "is_staff",
    "date_joined",
    "last_login",
)


@dataclass(frozen=True)
class Told:
    """``columns`` of the rows of ``model`` in which one of ``by`` is the doctor.

    ``also`` are filters beside it. A column may lead to another row (``analysis__radiograph``).
    """

    model: type[models.Model]
    by: tuple[str, ...]
    columns: tuple[str, ...]
    also: dict[str, Any] = field(default_factory=dict)

    def rows(self, doctor: Doctor) -> Iterator[dict[str, Any]]:
        """In the order of their keys, ``CHUNK`` of them in memory at a time."""
        mine = models.Q()
        for name in self.by:
            mine |= models.Q(**{name: str(doctor.pk) if name == "object_id" else doctor})
        found = self.model._base_manager.filter(mine, **self.also).order_by("pk")
        chunk = list(found.values("pk", *self.columns)[:CHUNK])
        while chunk:
            for row in chunk:
                yield {name: plain(row[name]) for name in self.columns}
            chunk = list(found.filter(pk__gt=chunk[-1]["pk"]).values("pk", *self.columns)[:CHUNK])

    def description(self) -> dict[str, str]:
        return {name: meaning(self._column(name)) for name in self.columns}

    def _column(self, name: str) -> models.Field:
        model, (*path, last) = self.model, name.split("__")
        for step in path:
            model = model._meta.get_field(step).related_model
        return model._meta.get_field(last)


EVENT = ("at", "action", "object_type", "object_id", "patient", "count", "channel", "reason")
# What there is little of: in account.json.
FEW = {
    "email_addresses": Told(EmailAddress, ("user",), ("email", "verified", "primary")),
    "verification_steps": Told(VerificationStep, ("doctor",), ("at", "state", "reason")),
    "proofs": Told(RegistrationProof, ("doctor",), ("content_type", "received_at")),
    "memberships": Told(
        PracticeMembership,
        ("doctor",),
        ("practice", "practice__name", "role", "joined_at", "ended_at"),
    ),
    "invitations": Told(
        PracticeInvitation,
        ("doctor", "invited_by"),
        ("practice", "role", "invited_at", "outcome", "answered_at"),
    ),
    "second_factors": Told(Authenticator, ("user",), ("type", "created_at", "last_used_at")),
    "sessions": Told(UserSession, ("user",), ("created_at", "last_seen_at", "ip", "user_agent")),
    "api_tokens": Told(
        ApiToken,
        ("owner",),
        (
            "name",
            "hint",
            "scopes",
            "networks",
            "created_at",
            "expires_at",
            "last_used_at",
            "last_used_from",
        ),
    ),
    "emergency_accesses": Told(
        EmergencyAccess,
        ("doctor",),
        ("id", "patient", "practice", "cause", "opened_at", "ends_at", "closed_at"),
    ),
    "erasures": Told(
        Erasure,
        ("owner", "requested_by", "decided_by"),
        ("id", "patient_key", "cause", "state", "due_on", "requested_at", "decided_at"),
    ),
    "anomalies": Told(Anomaly, ("actor",), ("kind", "hour", "address", "count")),
}
# What there may be very much of: a file each, a row a line.
MANY = {
    "patients": Told(Patient, ("owner",), ("id", "created_at", "updated_at")),
    "radiographs": Told(
        Radiograph, ("owner", "uploaded_by"), ("id", "patient", "received_at", "size")
    ),
    "analyses": Told(Analysis, ("requested_by",), ("id", "radiograph", "queued_at", "finished_at")),
    "judgements": Told(
        Review,
        ("doctor",),
        (
            "id",
            "analysis",
            "analysis__radiograph",
            "kind",
            "verdict",
            "label",
            "reason",
            "before_reading",
            "region",
            "created_at",
        ),
    ),
    "second_readings": Told(
        SecondReading, ("asked_by", "reader"), ("id", "radiograph", "asked_at", "withdrawn_at")
    ),
    "accesses": Told(AccessEvent, ("actor",), (*EVENT, "route", "address")),
    "accesses_to_the_account": Told(
        AccessEvent,
        ("object_id",),
        ("at", "action", "channel", "reason"),
        also={"object_type": Doctor._meta.label_lower},
    ),
}


def doctor_export(*, doctor: Doctor, by: Doctor, request=None) -> Iterator[bytes]:
    """The doctor's data as a ZIP archive, piece by piece; recorded before the first.

    ``account.json`` holds what is known of the doctor, each ``<name>.jsonl`` what they did,
    ``format.json`` what each key means, ``proofs/`` the document by which they are being
    verified, ``README.txt`` all this in their language. Rows are read while the stream runs.
    """
    access_record(
        actor=by,
        action="read",
        obj=doctor,
        channel="export",
        reason="doctor_export",
        request=request,
    )
    account = {
        "format": FORMAT,
        "version": VERSION,
        "made_at": timezone.now().isoformat(),
        "account": {name: plain(getattr(doctor, name)) for name in ACCOUNT},
        "verified_by": doctor_document(doctor.verified_by) if doctor.verified_by else None,
        **{name: list(told.rows(doctor)) for name, told in FEW.items()},
    }
    documents = {
        "README.txt": iter([_readme(doctor)]),
        "account.json": account,
        "format.json": doctor_format(),
        **{f"{name}.jsonl": _lines(told, doctor) for name, told in MANY.items()},
    }
    proofs = {
        f"proofs/{proof.pk}": Stored(proof.file.storage, proof.file.name)
        for proof in RegistrationProof.objects.filter(doctor=doctor)
    }
    return zip_stream(documents, proofs)


def doctor_format() -> dict[str, Any]:
    """What the archive holds, file by file and key by key, in English."""
    with translation.override("en"):
        return {
            "account.json": {
                "format": f"always {FORMAT}",
                "version": f"{VERSION}; another number means that keys changed their meaning",
                "made_at": "when [DateTimeField]; times are ISO 8601 with their offset",
                "account": {name: meaning(Doctor._meta.get_field(name)) for name in ACCOUNT},
                "verified_by": "{'key', 'role', 'name': empty for an administrator}, or null",
                **{name: [told.description()] for name, told in FEW.items()},
            },
            **{f"{name}.jsonl": told.description() for name, told in MANY.items()},
        }


def _lines(told: Told, doctor: Doctor) -> Iterator[bytes]:
    """JSON lines (UTF-8, one row each)."""
    for row in told.rows(doctor):
        yield json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _readme(doctor: Doctor) -> bytes:
    with translation.override(doctor.language):
        return render_to_string("privacy/doctor_readme.txt", {"files": [*MANY]}).encode()
