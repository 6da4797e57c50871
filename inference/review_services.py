"""Writes of judgements: what a doctor says of a reading."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q

from operations.services import access_record
from patients.models import Patient
from patients.treating import treatment_hold

from .agreement import agreement_of
from .errors import (
    AnalysisNotDoneError,
    NothingToDecideError,
    ReadingShownError,
    ReadingWithheldError,
    ReviewCommentMissingError,
    ReviewLabelMismatchError,
    ReviewLabelMissingError,
    ReviewReasonMismatchError,
    ReviewReasonMissingError,
    ReviewReasonUnexpectedError,
    ReviewRegionUnexpectedError,
)
from .models import Analysis, Certainty, Label, Review
from .regions import region_checked
from .withholding import is_withheld
from .wording import labels_of

Reason = Review.Reason


def review_create(
    *,
    analysis: Analysis,
    doctor,
    verdict: str,
    label: str = "",
    reason: str = "",
    comment: str = "",
    region: Sequence[float] | None = None,
    request=None,
) -> Review:
    """Record a doctor's judgement of a finished analysis; the earlier ones are kept.

    To approve is to give the analysis's own class (or none, where the reading names one) and
    no reason; to contest, another one and why, and maybe a ``region`` of the image
    (``region_checked``). Where the image is not like what the model knows there is no claim
    to contest: the class alone will do. The
    newest judgement of a doctor is the one that counts. Of two made at once the one that
    got the row's lock last is the newest.

    Raises :class:`AnalysisNotDoneError`, :class:`ReadingWithheldError` for a doctor who has
    to record a class of their own first (:func:`review_before_reading`),
    :class:`ReviewLabelMissingError`, :class:`ReviewLabelMismatchError`, the errors of the reason
    and comment (:mod:`inference.errors`) or ``ValidationError``.
    """
    with transaction.atomic():
        _hold(analysis, doctor)
        analysis = _locked(analysis)
        if is_withheld(analysis, doctor):
            raise ReadingWithheldError
        approved = verdict == Review.Verdict.APPROVED
        if approved and not label:
            if len(labels_of(analysis)) != 1:
                raise ReviewLabelMissingError
            label = analysis.label
        if approved != (label == analysis.label):
            raise ReviewLabelMismatchError
        review = Review(
            analysis=analysis,
            doctor=doctor,
            verdict=verdict,
            label=label,
            reason=reason,
            comment=comment.strip(),
            region=region_checked(region),
        )
        review.full_clean(exclude=["analysis", "doctor"])
        _check_reason(review)
        return _store(review, request)


def review_before_reading(
    *, analysis: Analysis, doctor, label: str, comment: str = "", request=None
) -> Review:
    """Record the class of a doctor who reads first; from then on the reading is shown.

    It approves or contests the reading as any judgement does, but gives no reason: the
    doctor does not know what the reading says. ``before_reading`` is set unless the reading
    was there before the doctor began to read first, and so may have been seen.

    Raises :class:`AnalysisNotDoneError`, :class:`ReadingShownError` where nothing is
    withheld, or ``ValidationError``.
    """
    with transaction.atomic():
        _hold(analysis, doctor)
        analysis = _locked(analysis)
        if not is_withheld(analysis, doctor):
            raise ReadingShownError
        same = label == analysis.label
        review = Review(
            analysis=analysis,
            doctor=doctor,
            verdict=Review.Verdict.APPROVED if same else Review.Verdict.CONTESTED,
            label=label,
            comment=comment.strip(),
            before_reading=unseen_by(analysis, doctor),
        )
        review.full_clean(exclude=["analysis", "doctor"])
        return _store(review, request)


def review_decide(*, analysis: Analysis, by, label: str, request=None) -> Review:
    """Record an administrator's decision between doctors who judge a reading differently.

    Their judgements stay as they are. Raises :class:`AnalysisNotDoneError`,
    :class:`NothingToDecideError` or ``ValidationError``.
    """
    with transaction.atomic():
        analysis = _locked(analysis)
        if agreement_of(analysis.reviews.all()).state != "differ":
            raise NothingToDecideError
        same = label == analysis.label
        decision = Review(
            analysis=analysis,
            doctor=by,
            kind=Review.Kind.DECISION,
            verdict=Review.Verdict.APPROVED if same else Review.Verdict.CONTESTED,
            label=label,
            is_current=None,
        )
        decision.full_clean(exclude=["analysis", "doctor"])
        decision.save(force_insert=True)
        access_record(actor=by, action="create", obj=decision, request=request)
        return decision


def unseen_by(analysis: Analysis, doctor) -> bool:
    """Whether the doctor can't have seen any reading of this radiograph.

    So it is when they have read first for as long as there is one, and have judged none: a
    judgement shows the reading, and an earlier one says much of the next.
    """
    if not doctor.read_first_since:
        return False
    readings = Analysis.objects.filter(radiograph=analysis.radiograph_id)
    seen = Q(finished_at__lt=doctor.read_first_since, status=Analysis.Status.DONE)
    return not readings.filter(seen | Q(reviews__doctor=doctor)).exists()


def _hold(analysis: Analysis, doctor) -> None:
    """``doctor`` treats the patient still, see ``treatment_hold``."""
    treatment_hold(
        user=doctor, owner_id=analysis.owner_id, patient=lambda: analysis.radiograph.patient
    )


def _locked(analysis: Analysis) -> Analysis:
    """The finished row as it is, nothing withheld, and locked.

    With this lock the newest review and the judgement on the row stay one.
    """
    row = Analysis.objects.select_for_update().get(pk=analysis.pk)
    if Analysis.radiograph.is_cached(analysis):  # The record of access asks for its patient.
        row.radiograph = analysis.radiograph
    if row.status != Analysis.Status.DONE:
        raise AnalysisNotDoneError
    return row


def _check_reason(review: Review) -> None:
    if review.analysis.certainty == Certainty.UNLIKE and not review.reason:
        return  # No class is claimed, so there is nothing to contest.
    if review.verdict == Review.Verdict.APPROVED:
        if review.reason:
            raise ReviewReasonUnexpectedError
        if review.region:
            raise ReviewRegionUnexpectedError
        return
    if not review.reason:
        raise ReviewReasonMissingError
    if review.reason == Reason.OTHER and not review.comment:
        raise ReviewCommentMissingError
    if review.reason not in reasons_for(review.analysis.label, review.label):
        raise ReviewReasonMismatchError


def reasons_for(read: str, right: str = "") -> list[str]:
    """The reasons that fit a reading of class ``read`` when ``right`` is the right one.

    Without ``right``: those that fit whichever other class is right.
    """
    unfit = set()
    if read != Label.LUNG_OPACITY:
        unfit.add(Reason.NOT_PNEUMONIA)
    if read == Label.LUNG_OPACITY or right not in ("", Label.LUNG_OPACITY):
        unfit.add(Reason.MISSED_OPACITY)
    return [reason for reason in Reason.values if reason not in unfit]


def _store(review: Review, request) -> Review:
    """Save ``review`` as the one of its doctor that counts."""
    earlier = Review.objects.filter(analysis=review.analysis, doctor=review.doctor, is_current=True)
    earlier.update(is_current=None)
    review.save(force_insert=True)
    concerned = Analysis.objects.filter(pk=review.analysis_id)
    if not _treats(review):
        concerned = concerned.filter(owner=review.doctor)
    concerned.update(judgement=review.verdict)
    access_record(actor=review.doctor, action="create", obj=review, request=request)
    return review


def _treats(review: Review) -> bool:
    """Whether the patient is shared with a doctor of the same practice, who treats them too."""
    practice = review.doctor.practice_to_change
    patient = Patient.objects.filter(radiographs=review.analysis.radiograph_id, practice=practice)
    return bool(practice) and patient.exists()
