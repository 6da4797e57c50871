"""A reading in words, as the pages show it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from django.utils import timezone
from django.utils.translation import gettext as _

from patients.selectors import emergency_of, may_treat
from radiology.warnings import (
    age_in_years,
    warning_sentence,
    warnings_now,
    without_patient,
)

from . import wording
from .agreement import Agreement, agreement_of
from .models import LABELS, Analysis, Certainty, Label, Review
from .review_services import unseen_by
from .selectors import queue_status

# DICOM PS3.5 A.5: deflated explicit little endian.
DEFLATED = "1.2.840.10008.1.2.1.99"
# After so many seconds in the queue the page says that nobody seems to work on it.
PATIENCE = 10
# Milliseconds until the next question, by the seconds waited so far.
POLL_DELAYS = ((3, 300), (10, 700), (60, 2000))
LONGEST_POLL_DELAY = 5000


@dataclass(frozen=True)
class Bar:
    label: str
    name: str
    value: float
    chosen: bool


class ReadingView:
    """What the templates ask about one analysis; nothing is read before it is asked."""

    def __init__(self, analysis: Analysis, doctor=None):
        self.analysis = analysis
        self.doctor = doctor
        self.radiograph = analysis.radiograph
        self.patient = analysis.radiograph.patient

    @property
    def state(self) -> str:
        """A word that changes whenever the page must: the status, or ``stalled``."""
        return "stalled" if self.stalled else self.analysis.status

    @cached_property
    def waited_seconds(self) -> float:
        return max((timezone.now() - self.analysis.queued_at).total_seconds(), 0.0)

    @cached_property
    def stalled(self) -> bool:
        """Whether the row has waited so long, with none running, that no worker seems up."""
        if self.analysis.status != Analysis.Status.QUEUED or self.waited_seconds < PATIENCE:
            return False
        return not queue_status()["running"]

    @property
    def poll_delay(self) -> int:
        """Milliseconds until the page asks again: soon at first, then more and more rarely."""
        for seconds, delay in POLL_DELAYS:
            if self.waited_seconds < seconds:
                return delay
        return LONGEST_POLL_DELAY

    @property
    def sentence(self) -> str:
        """The state in a sentence, read out by screen readers when it changes."""
        analysis = self.analysis
        if self.stalled:
            return _(
                "The radiograph is stored, but no worker seems to be running. "
                "It will be read as soon as one is back."
            )
        return {
            Analysis.Status.QUEUED: _("The radiograph is waiting for its turn."),
            Analysis.Status.RUNNING: _("The radiograph is being read."),
            Analysis.Status.DONE: _("The radiograph has been read. First say what you see.")
            if analysis.withheld
            else _("The reading is ready: %(label)s.") % {"label": wording.headline(analysis)},
            Analysis.Status.FAILED: _("The reading failed."),
        }[analysis.status]

    @cached_property
    def bars(self) -> list[Bar]:
        probabilities = self.analysis.probabilities or {}
        return [
            Bar(label, str(Label(label).label), probabilities[label], label in self.labels)
            for label in LABELS
            if label in probabilities
        ]

    @cached_property
    def labels(self) -> list[str]:
        """The classes that the reading names."""
        return wording.labels_of(self.analysis)

    @property
    def unlike(self) -> bool:
        return self.analysis.certainty == Certainty.UNLIKE

    @property
    def headline(self) -> str:
        return wording.headline(self.analysis)

    @property
    def class_meaning(self) -> str:
        return wording.class_meaning(self.analysis)

    @property
    def call_for_a_person(self) -> str:
        return wording.call_for_a_person(self.analysis)

    @property
    def certainty_meaning(self) -> str:
        return wording.certainty_meaning(self.analysis)

    @property
    def triage(self) -> str:
        return wording.triage_sentence(self.analysis)

    @property
    def map_switch(self) -> str:
        return wording.map_switch(self.analysis)

    @property
    def map_meaning(self) -> str:
        return wording.map_meaning(self.analysis)

    @property
    def seconds(self) -> float | None:
        """From the upload, or the retry, to the result."""
        if not self.analysis.finished_at:
            return None
        return (self.analysis.finished_at - self.analysis.queued_at).total_seconds()

    @property
    def dicom_bytes(self) -> int | None:
        """How large the stored file is; unknown where it is stored inflated."""
        inflated = self.radiograph.transfer_syntax_uid == DEFLATED
        return None if inflated else self.radiograph.size

    @property
    def warnings(self) -> list[str]:
        entries = warnings_now(self.radiograph)
        shown = entries if self.is_known else without_patient(entries)
        return [warning_sentence(entry) for entry in shown]

    @property
    def withheld(self) -> bool:
        """Whether the doctor has to record a class of their own before they see it."""
        return self.analysis.withheld

    @property
    def unseen(self) -> bool:
        """Whether that class will count as given without knowing the reading."""
        return unseen_by(self.analysis, self.doctor)

    @property
    def is_own(self) -> bool:
        """Whether the patient is this doctor's own."""
        return self.doctor is None or self.radiograph.owner_id == self.doctor.pk

    @cached_property
    def is_known(self) -> bool:
        """Whether the doctor sees the whole patient, and not one image that they read second."""
        practice = self.patient.practice_id
        shared = bool(practice and self.doctor and practice == self.doctor.practice_id)
        return self.is_own or shared or emergency_of(self.doctor, self.patient) is not None

    @property
    def treats(self) -> bool:
        """Whether the doctor may do more than look: send, have it read again."""
        return self.doctor is None or may_treat(self.doctor, self.patient)

    @cached_property
    def may_judge(self) -> bool:
        """Who treats the patient judges, and who was asked to read this image second."""
        if self.treats or not self.is_known:
            return True
        return self.radiograph.second_readings.filter(is_open=True, reader=self.doctor).exists()

    @property
    def age(self) -> int:
        """The patient's age in years on the day of the radiograph."""
        return age_in_years(self.patient.birth_date, self.radiograph.acquired_on)

    @cached_property
    def _all_reviews(self) -> list[Review]:
        return list(self.analysis.reviews.select_related("doctor").order_by("-created_at", "-pk"))

    @property
    def reviews(self) -> list[Review]:
        """What the doctor gets to see of all judgements: nothing before their own."""
        if self.doctor is None or any(one.doctor_id == self.doctor.pk for one in self._all_reviews):
            return self._all_reviews
        return []

    @property
    def others_judged(self) -> bool:
        """Whether there are judgements that the doctor does not get to see yet."""
        return bool(self._all_reviews) and not self.reviews

    @cached_property
    def second_readings(self) -> list:
        """Whom the patient's doctor has asked for a second reading."""
        return list(self.radiograph.second_readings.filter(is_open=True))

    @cached_property
    def agreement(self) -> Agreement:
        return agreement_of(self.reviews)

    @property
    def agreement_sentence(self) -> str:
        return agreement_sentence(self.agreement)

    @property
    def own_review(self) -> Review | None:
        """The judgement of the doctor who looks at the page that counts."""
        if self.doctor is None:
            return None
        mine = (one for one in self.reviews if one.doctor_id == self.doctor.pk)
        return next((one for one in mine if one.is_current), None)


def agreement_sentence(agreement: Agreement) -> str:
    """What the doctors' judgements come to; empty for a single one."""
    sentences = {
        "agree": _("The doctors agree: %(label)s."),
        "differ": _(
            "The doctors see this differently. A third judgement or an administrator decides."
        ),
        "majority": _("The doctors differed; most of them see: %(label)s."),
        "decided": _(
            "The doctors differed. It was decided: %(label)s. The decision stands, whatever is "
            "judged afterwards."
        ),
    }
    sentence = sentences.get(agreement.state, "")
    return sentence % {"label": agreement.name} if sentence else ""
