"""Writes of judgements: what a doctor says of a reading."""

from __future__ import annotations

from django.db import transaction

from operations.services import access_record

from .errors import (
    AnalysisNotDoneError,
    ReviewCommentMissingError,
    ReviewLabelMismatchError,
    ReviewReasonMismatchError,
    ReviewReasonMissingError,
    ReviewReasonUnexpectedError,
)
from .models import Analysis, Label, Review

Reason = Review.Reason


def review_create(
    *,
    analysis: Analysis,
    doctor,
    verdict: str,
    label: str = "",
    reason: str = "",
    comment: str = "",
    request=None,
) -> Review:
    """Record a doctor's judgement of a finished analysis; the earlier ones are kept.

    To approve is to give the analysis's own class (or none) and no reason; to contest,
    another one and why. The newest judgement of a doctor is the one that counts. Of two
    made at once the one that got the row's lock last is the newest.

    Raises :class:`AnalysisNotDoneError`, :class:`ReviewLabelMismatchError`, the errors of
    the reason and comment (:mod:`inference.errors`) or ``ValidationError``.
    """
    if analysis.status != Analysis.Status.DONE:
        raise AnalysisNotDoneError
    approved = verdict == Review.Verdict.APPROVED
    if approved and not label:
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
    )
    review.full_clean(exclude=["analysis", "doctor"])
    _check_reason(review)
    return _store(review, request)


def _check_reason(review: Review) -> None:
    if review.verdict == Review.Verdict.APPROVED:
        if review.reason:
            raise ReviewReasonUnexpectedError
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
    with transaction.atomic():
        # First: with this lock the newest review and the judgement on the row stay one.
        analysis = Analysis.objects.select_for_update().only("pk").get(pk=review.analysis_id)
        earlier = Review.objects.filter(analysis=analysis, doctor=review.doctor, is_current=True)
        earlier.update(is_current=None)
        review.save(force_insert=True)
        Analysis.objects.filter(pk=analysis.pk, owner=review.doctor).update(
            judgement=review.verdict
        )
        access_record(actor=review.doctor, action="create", obj=review, request=request)
    return review
