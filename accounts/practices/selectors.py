"""Reads of practices."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db.models import F, QuerySet
from django.utils import timezone

from .models import Practice, PracticeInvitation, PracticeMembership, Role


def practice_members(practice: Practice) -> QuerySet[PracticeMembership]:
    """Who belongs to ``practice`` now, the longest first."""
    return practice.memberships.filter(is_open=True).select_related("doctor")


def practice_owners(practice_id) -> list:
    """The doctors who own a practice and may practise now."""
    rows = PracticeMembership.objects.filter(practice=practice_id, role=Role.OWNER, is_open=True)
    owners = [row.doctor for row in rows.select_related("doctor")]
    return [doctor for doctor in owners if doctor.may_practise]


def invitations_open() -> QuerySet[PracticeInvitation]:
    """Those that may be accepted now: young enough, by somebody who still owns the practice."""
    since = timezone.now() - timedelta(days=settings.PRACTICE_INVITATION_DAYS)
    return PracticeInvitation.objects.filter(
        is_open=True,
        invited_at__gt=since,
        invited_by__practice=F("practice"),
        invited_by__practice_role=Role.OWNER,
        practice__closed_at=None,
    )


def invitations_for(doctor) -> QuerySet[PracticeInvitation]:
    """What ``doctor`` is asked and may accept now."""
    rows = invitations_open().filter(doctor=doctor)
    return rows.select_related("practice", "invited_by")


def invitations_of(practice: Practice) -> QuerySet[PracticeInvitation]:
    """What waits for an answer, as the owners see it: addresses, never whose they are."""
    return invitations_open().filter(practice=practice)
