"""Mails to doctors whose radiographs have been read: numbers alone, nothing of a patient."""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.db.models import Count, F, Max, Q
from django.utils import timezone

from accounts.mails import mail_send
from accounts.models import Doctor
from accounts.services import doctor_mail_claim

from .models import Analysis, Certainty

# A batch is over when nothing of it waits and nothing has come for so long.
QUIET = timedelta(minutes=2)
# Whatever was sent earlier is no news; it also bounds what is read of the table.
LOOK_BACK = timedelta(days=1)
FOR_A_PERSON = [Certainty.UNCERTAIN, Certainty.UNLIKE, Certainty.LOW]

log = structlog.get_logger(__name__)


def notices_send() -> int:
    """Mail each doctor who asked for it once a batch of theirs is read; returns how many.

    A mail tells how many radiographs were read, how many of these need a person's
    decision, and how many failed. Who mails has first claimed it on the doctor's row, so
    nothing is told twice; a mail server that refuses is logged, and the mail is lost.
    """
    now = timezone.now()
    count = 0
    for batch in _batches(now):
        if batch["unfinished"] or batch["last"] > now - QUIET:
            continue
        doctor = Doctor.objects.get(pk=batch["owner"])
        if not doctor.may_practise or not doctor_mail_claim(doctor=doctor, until=batch["until"]):
            continue
        context = {name: batch[name] for name in ("read", "person", "failed")}
        if doctor.read_first:
            context["person"] = 0  # how many are uncertain would tell of what is withheld
        mail_send(
            template="read",
            to=[doctor.email],
            language=doctor.language,
            context=context | {"contact": settings.CONTACT_EMAIL},
        )
        count += 1
    if count:
        log.info("notices_sent", count=count)
    return count


def _batches(now):
    """For each doctor with mails, what was uploaded since the last one, in numbers."""
    done = Q(status=Analysis.Status.DONE)
    failed = Q(status=Analysis.Status.FAILED)
    news = Q(owner__mailed_until=None) | Q(queued_at__gt=F("owner__mailed_until"))
    return (
        Analysis.objects.current()
        .filter(news, owner__mail_when_read=True, queued_at__gt=now - LOOK_BACK)
        .order_by()
        .values("owner")
        .annotate(
            unfinished=Count("pk", filter=~(done | failed)),
            read=Count("pk", filter=done),
            person=Count("pk", filter=done & Q(certainty__in=FOR_A_PERSON)),
            failed=Count("pk", filter=failed),
            last=Max("finished_at"),
            until=Max("queued_at"),
        )
    )
