"""Writes of practices. Every one locks the practice first, so that two owners can't both go.

Whoever acts is looked up under that lock: a role that ended a moment ago does nothing more.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import structlog
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.mails import mail_doctor
from accounts.models import Doctor
from accounts.selectors import address_normalize, colleague_find
from operations.services import access_record

from .errors import (
    AlreadyMemberError,
    InvitationGoneError,
    InvitationOfMemberError,
    LastOwnerError,
    MembershipOverError,
    NotOwnerError,
    TooManyInvitationsError,
)
from .models import Practice, PracticeInvitation, PracticeMembership, Role
from .selectors import invitations_of, invitations_open

# How many invitations of one practice may wait for an answer.
MOST_OPEN = 20
# How often one doctor is mailed in a day because one practice asks.
MOST_MAILS = 2
Outcome = PracticeInvitation.Outcome

# Sent with ``doctor`` and ``practice`` inside the transaction in which a membership ends: before
# the doctor is locked, for what is locked earlier than a doctor; and when it has ended.
membership_ending = Signal()
membership_ended = Signal()
# Sent with ``practice``, its last member ``doctor`` and ``by`` when that one leaves, inside the
# transaction.
practice_closed = Signal()

log = structlog.get_logger(__name__)


@transaction.atomic
def practice_create(*, by: Doctor, name: str, request=None) -> Practice:
    """Open a practice of which ``by`` is the owner.

    Raises :class:`AlreadyMemberError`, ``ValidationError`` for the name.
    """
    practice = Practice(name=" ".join(name.split()))
    practice.full_clean()
    practice.save(force_insert=True)
    _join(practice, by, Role.OWNER)
    access_record(actor=by, action="create", obj=practice, request=request)
    return practice


@transaction.atomic
def practice_rename(*, practice: Practice, by: Doctor, name: str, request=None) -> None:
    """Raises :class:`NotOwnerError`, ``ValidationError``."""
    practice = practice_locked(practice.pk, by)
    practice.name = " ".join(name.split())
    practice.full_clean()
    practice.save(update_fields=["name"])
    access_record(actor=by, action="update", obj=practice, request=request)


def invitation_create(
    *, practice: Practice, by: Doctor, address: str, role: str, request=None
) -> PracticeInvitation:
    """Ask whoever has this e-mail address to join; asking twice is asking once.

    Unless nobody had it the first time and a doctor who may practise has it now: who had no
    account yet, or was not verified, is reached by asking again.

    A doctor who may practise finds it on their page and is told by mail; for any other
    address the same is stored and answered, and nobody is told. Raises ``ValidationError``,
    :class:`NotOwnerError`, :class:`InvitationOfMemberError`, :class:`TooManyInvitationsError`.
    """
    address = address_normalize(address)
    try:
        validate_email(address)
    except ValidationError as error:
        text = _("Write an e-mail address.")
        raise ValidationError(text, code="invalid_address") from error
    with transaction.atomic():
        practice = practice_locked(practice.pk, by)
        if Doctor.objects.filter(practice=practice, email=address).exists():
            raise InvitationOfMemberError
        found = colleague_find(address)
        if known := invitations_of(practice).filter(address=address, role=role).first():
            if known.doctor_id or found is None:
                return known
        elif invitations_of(practice).count() >= MOST_OPEN:
            raise TooManyInvitationsError(limit=MOST_OPEN)
        old = PracticeInvitation.objects.filter(practice=practice, address=address, is_open=True)
        _close(old, Outcome.WITHDRAWN)
        invitation = PracticeInvitation(
            practice=practice,
            address=address,
            doctor=found,
            role=role,
            invited_by=by,
        )
        invitation.full_clean(exclude=["practice", "doctor", "invited_by"])
        invitation.save(force_insert=True)
        access_record(actor=by, action="create", obj=invitation, request=request)
        if not _told_lately(practice, found):
            transaction.on_commit(partial(_send, invitation.pk), robust=True)
    return invitation


def _told_lately(practice: Practice, doctor: Doctor | None) -> bool:
    """Whether the doctor had ``MOST_MAILS`` invitations of the practice within a day before."""
    if doctor is None:
        return False
    since = timezone.now() - timedelta(days=1)
    mine = PracticeInvitation.objects.filter(practice=practice, doctor=doctor)
    return mine.filter(invited_at__gt=since).count() > MOST_MAILS


def invitation_mail(*, invitation_id) -> None:
    """Tell the doctor who was asked, if there is one."""
    invitation = invitations_open().select_related("doctor").filter(pk=invitation_id).first()
    if invitation and invitation.doctor and invitation.doctor.may_practise:
        mail_doctor(template="practice_invitation", doctor=invitation.doctor)


@transaction.atomic
def invitation_accept(*, invitation: PracticeInvitation, by: Doctor, request=None) -> None:
    """Join. Raises :class:`InvitationGoneError`, :class:`AlreadyMemberError`."""
    practice = Practice.objects.select_for_update().get(pk=invitation.practice_id)
    found = invitations_open().filter(pk=invitation.pk, doctor=by).first()
    if found is None or not (by.may_practise and found.invited_by.may_practise):
        raise InvitationGoneError
    membership = _join(practice, by, found.role)
    _close(PracticeInvitation.objects.filter(pk=found.pk, is_open=True), Outcome.ACCEPTED)
    access_record(actor=by, action="create", obj=membership, request=request)


@transaction.atomic
def invitation_decline(*, invitation: PracticeInvitation, by: Doctor, request=None) -> None:
    """Say no. Raises :class:`InvitationGoneError`."""
    mine = PracticeInvitation.objects.filter(pk=invitation.pk, doctor=by, is_open=True)
    if not _close(mine, Outcome.DECLINED):
        raise InvitationGoneError
    access_record(actor=by, action="update", obj=invitation, request=request)


@transaction.atomic
def invitation_withdraw(*, invitation: PracticeInvitation, by: Doctor, request=None) -> None:
    """Raises :class:`NotOwnerError`; withdrawing twice is withdrawing once."""
    practice_locked(invitation.practice_id, by)
    mine = PracticeInvitation.objects.filter(pk=invitation.pk, is_open=True)
    if _close(mine, Outcome.WITHDRAWN):
        access_record(actor=by, action="update", obj=invitation, request=request)


@transaction.atomic
def member_role_set(
    *, membership: PracticeMembership, role: str, by: Doctor, request=None
) -> PracticeMembership:
    """Give a member another role: by an owner, or by an administrator.

    Raises :class:`NotOwnerError`, :class:`MembershipOverError`, and :class:`LastOwnerError`
    when nobody would own the practice any more.
    """
    practice = practice_locked(membership.practice_id, by)
    membership = _open(membership)
    if membership.role == role:
        return membership
    if membership.role == Role.OWNER:
        _check_other_owner(membership)
    doctor = Doctor.objects.select_for_update().get(pk=membership.doctor_id)
    _end(membership, by)
    again = PracticeMembership(practice=practice, doctor=doctor, role=role)
    again.full_clean(exclude=["practice", "doctor"])
    again.save(force_insert=True)
    Doctor.objects.filter(pk=doctor.pk).update(practice_role=role)
    access_record(actor=by, action="update", obj=again, request=request)
    return again


@transaction.atomic
def member_end(*, membership: PracticeMembership, by: Doctor, request=None) -> None:
    """Leave, or be removed by an owner or an administrator: access ends with this.

    The doctor's own patients are no longer shared. The last member closes the practice and gets
    the patients that its programs have recorded. Raises :class:`NotOwnerError`,
    :class:`MembershipOverError`, :class:`LastOwnerError`, ``PracticePatientsError``.
    """
    practice = practice_locked(
        membership.practice_id, None if by.pk == membership.doctor_id else by
    )
    membership = _open(membership)
    others = PracticeMembership.objects.filter(practice=practice, is_open=True)
    others = others.exclude(pk=membership.pk)
    if membership.role == Role.OWNER and others.exists():
        _check_other_owner(membership)
    membership_ending.send(sender=Practice, doctor=membership.doctor, practice=practice)
    doctor = Doctor.objects.select_for_update().get(pk=membership.doctor_id)
    _end(membership, by)
    Doctor.objects.filter(pk=doctor.pk).update(practice=None, practice_role="")
    membership_ended.send(sender=Practice, doctor=doctor, practice=practice)
    if not others.exists():
        practice.closed_at = timezone.now()
        practice.save(update_fields=["closed_at"])
        practice_closed.send(sender=Practice, practice=practice, doctor=doctor, by=by)
    access_record(
        actor=by, action="update", obj=membership, reason="membership_ended", request=request
    )
    if by.pk != doctor.pk:
        mail_doctor(template="practice_removed", doctor=doctor)


def practice_locked(practice_id, by: Doctor | None) -> Practice:
    """The practice, until the end of the transaction; ``by`` must own it or administer."""
    practice = Practice.objects.select_for_update().get(pk=practice_id)
    if by is not None:
        actor = Doctor.objects.get(pk=by.pk)
        owns = actor.practice_id == practice.pk and actor.practice_role == Role.OWNER
        administers = actor.is_staff and actor.has_perm("accounts.change_practice")
        if not (owns and actor.may_practise) and not administers:
            raise NotOwnerError
    return practice


def _join(practice: Practice, doctor: Doctor, role: str) -> PracticeMembership:
    doctor = Doctor.objects.select_for_update().get(pk=doctor.pk)
    if doctor.practice_id:
        raise AlreadyMemberError
    membership = PracticeMembership(practice=practice, doctor=doctor, role=role)
    membership.full_clean(exclude=["practice", "doctor"])
    membership.save(force_insert=True)
    Doctor.objects.filter(pk=doctor.pk).update(practice=practice, practice_role=role)
    return membership


def _open(membership: PracticeMembership) -> PracticeMembership:
    found = PracticeMembership.objects.filter(pk=membership.pk, is_open=True).first()
    if found is None:
        raise MembershipOverError
    return found


def _check_other_owner(membership: PracticeMembership) -> None:
    others = PracticeMembership.objects.filter(
        practice=membership.practice_id, role=Role.OWNER, is_open=True
    )
    if not others.exclude(pk=membership.pk).exists():
        raise LastOwnerError


def _end(membership: PracticeMembership, by: Doctor) -> None:
    PracticeMembership.objects.filter(pk=membership.pk).update(
        is_open=None, ended_at=timezone.now(), ended_by=by
    )


def _close(invitations, outcome: str) -> int:
    return invitations.update(is_open=None, outcome=outcome, answered_at=timezone.now())


def _send(invitation_id) -> None:
    """For every address alike: a mail sent here would tell by its time that there is a doctor."""
    from accounts.tasks import tell_invited

    try:
        tell_invited.delay(str(invitation_id))
    except Exception as error:
        # What a broker's client raises is many kinds. The doctor finds it on their page.
        log.warning("invitation_not_told", error=type(error).__name__)
