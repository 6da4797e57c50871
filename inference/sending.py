"""What a doctor sends in one request, file by file, and what becomes of each."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from dataclasses import dataclass
from typing import BinaryIO

from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from patients.forms import PatientForm
from patients.models import Patient
from pneumoniapp.errors import CodedError
from radiology.archives import SKIPPED, is_archive, open_archive
from radiology.intake import examine
from radiology.models import Upload
from radiology.services import files_removed_on_failure
from radiology.uploads import upload_open
from radiology.warnings import warning_sentence, warnings_now

from .services import Reading, reading_submit

# About how long one request works on an archive before it answers what it has done.
REQUEST_SECONDS = 3


@dataclass(frozen=True)
class Outcome:
    """What became of one file that was sent, by itself or in an archive."""

    name: str
    reading: Reading | None = None
    error: CodedError | None = None
    acquired_on: dt.date | None = None
    in_archive: bool = False
    details: tuple[str, ...] = ()

    @property
    def is_skipped(self) -> bool:
        """Whether it is no radiograph at all, which in an archive is nothing to worry about."""
        return self.in_archive and isinstance(self.error, SKIPPED)

    @property
    def state(self) -> str:
        """``accepted``, ``duplicate``, ``skipped`` or ``refused``."""
        if self.reading:
            return "accepted" if self.reading.created else "duplicate"
        return "skipped" if self.is_skipped else "refused"

    @property
    def date_was_kept(self) -> bool:
        """Whether a date was typed for a radiograph that is stored with another one."""
        if not self.reading or self.reading.created or not self.acquired_on:
            return False
        return self.acquired_on != self.reading.radiograph.acquired_on

    @property
    def warnings(self) -> list[str]:
        if not self.reading:
            return list(self.details)
        radiograph = self.reading.radiograph
        sentences = [warning_sentence(entry) for entry in warnings_now(radiograph)]
        if self.date_was_kept:
            day = date_format(radiograph.acquired_on, "DATE_FORMAT")
            sentences.insert(
                0,
                _(
                    "The date that you typed was not used: this radiograph is stored with the "
                    "date %(date)s."
                )
                % {"date": day},
            )
        return sentences

    @property
    def url(self) -> str:
        """The page of the reading; its query says what there is to say of the upload."""
        url = reverse("inference:reading", args=[self.reading.radiograph.pk])
        if self.reading.created:
            return url
        return f"{url}?known={'date' if self.date_was_kept else 1}"

    def as_json(self) -> dict:
        named = {"name": self.name, "state": self.state} if self.in_archive else {}
        if self.error:
            error = {"code": self.error.code, "sentence": str(self.error)}
            return named | {"error": error, "warnings": self.warnings}
        return named | {
            "url": self.url,
            "result_url": reverse("inference:result", args=[self.reading.radiograph.pk]),
            "created": self.reading.created,
            "warnings": self.warnings,
        }


class PatientRefusedError(Exception):
    """The new patient of the form is not acceptable; the form says why."""


class Sending:
    """Takes the files of one request for one patient, and keeps an :class:`Outcome` of each.

    ``patient`` is ``None`` for a new one, who is kept only together with the first accepted
    file and is then the patient of all that follow. ``again``: the same was sent before, and
    the answer was lost. ``confirm_mismatch``: the files are this patient's although they give
    another birth date, sex or age.
    """

    def __init__(
        self,
        request: HttpRequest,
        *,
        patient: Patient | None,
        patient_form: PatientForm,
        acquired_on: dt.date | None,
        again: bool = False,
        confirm_mismatch: bool = False,
    ) -> None:
        self.request = request
        self.patient = patient
        self.patient_form = patient_form
        self.acquired_on = acquired_on
        self.again = again
        self.confirm_mismatch = confirm_mismatch
        self.outcomes: list[Outcome] = []

    def take(self, file: BinaryIO, name: str) -> None:
        """Take one file, or all the files of an archive."""
        try:
            if is_archive(file):
                self.take_archive(file)
                return
            self._submit(file, name)
        except CodedError as error:
            self.outcomes.append(_refused(name, error))

    def take_upload(self, upload: Upload, *, checksum: int, start: int) -> int | None:
        """Take what has come in piece by piece; of an archive as much as a request should.

        Returns the number of the archive's file to go on with, ``None`` when all is done.
        """
        try:
            with upload_open(upload, checksum=checksum) as file:
                if is_archive(file):
                    return self.take_archive(file, start=start, seconds=REQUEST_SECONDS)
                self._submit(file, "")
        except CodedError as error:
            self.outcomes.append(_refused("", error))
        return None

    def take_archive(
        self, file: BinaryIO, *, start: int = 0, seconds: float | None = None
    ) -> int | None:
        """Take an archive's files from number ``start`` on, for about so many ``seconds``.

        Returns the number of the file to go on with, ``None`` after the last one. Raises the
        coded errors of :func:`radiology.archives.open_archive`.
        """
        end = None if seconds is None else time.monotonic() + seconds
        with open_archive(file) as archive:
            for number in range(start, len(archive)):
                name = archive.name(number)
                try:
                    with archive.unpacked(number) as entry:
                        self._submit(entry, name, in_archive=True)
                except CodedError as error:
                    self.outcomes.append(_refused(name, error, in_archive=True))
                if end is not None and time.monotonic() > end and number + 1 < len(archive):
                    return number + 1
        return None

    def _submit(self, file: BinaryIO, name: str, *, in_archive: bool = False) -> None:
        arguments = {
            "uploaded_by": self.request.user,
            "file": examine(file),
            "acquired_on": self.acquired_on,
            "confirm_mismatch": self.confirm_mismatch,
            "request": self.request,
        }
        if self.patient:
            reading = reading_submit(patient=self.patient, **arguments)
        else:
            with files_removed_on_failure(), transaction.atomic():
                owner = self.patient_form.create(
                    owner=self.request.user, request=self.request, again=self.again
                )
                if owner is None:
                    raise PatientRefusedError
                reading = reading_submit(patient=owner, **arguments)
            self.patient = owner
        self.outcomes.append(
            Outcome(name, reading, acquired_on=self.acquired_on, in_archive=in_archive)
        )

    @property
    def counts(self) -> dict[str, int]:
        """How many files came to each state."""
        found = Counter(outcome.state for outcome in self.outcomes)
        return {state: found[state] for state in ("accepted", "duplicate", "refused", "skipped")}

    @property
    def status(self) -> int:
        """200, or that of the first error when not one file was accepted."""
        errors = [outcome.error for outcome in self.outcomes if outcome.error]
        return errors[0].status if errors and len(errors) == len(self.outcomes) else 200


def _refused(name: str, error: CodedError, *, in_archive: bool = False) -> Outcome:
    """Keeps the error without its trace, which would keep what was read of every file."""
    details = tuple(warning_sentence(entry) for entry in getattr(error, "entries", ()))
    bare = type(error)(**error.params)
    return Outcome(name, error=bare, in_archive=in_archive, details=details)
