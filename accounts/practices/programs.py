"""Service accounts: programs that belong to a practice and to no person.

An account without a password and without a mailbox, which nobody signs in to: an owner of the
practice makes tokens for it. It sees what the practice shares, sends radiographs, and judges
nothing; patients that it records are shared with the practice from the start.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext_lazy as _
from knox.models import AuthToken

from accounts.models import Doctor
from accounts.services import access_end
from accounts.tokens import token_create
from operations.services import access_record
from pneumoniapp.ids import uuid7

from .errors import TooManyProgramsError
from .models import Practice, Role
from .services import practice_closed, practice_locked

MOST_PROGRAMS = 10
# Reserved by RFC 2606: no mail ever reaches it.
ADDRESS = "program-{key}@programs.invalid"


def programs_list(practice: Practice) -> QuerySet[Doctor]:
    """The service accounts of ``practice`` with their tokens, by name."""
    programs = Doctor.objects.filter(practice=practice, is_service=True, is_active=True)
    tokens = AuthToken.objects.order_by("-created", "digest")
    return programs.prefetch_related(Prefetch("auth_token_set", tokens)).order_by("last_name", "pk")


@transaction.atomic
def program_create(*, practice: Practice, by: Doctor, name: str, request=None) -> Doctor:
    """Open a service account. Raises ``NotOwnerError``, ``ValidationError`` for the name,
    :class:`TooManyProgramsError`."""
    practice = practice_locked(practice.pk, by)
    if programs_list(practice).count() >= MOST_PROGRAMS:
        raise TooManyProgramsError(limit=MOST_PROGRAMS)
    name = " ".join(name.split())
    if not (name and name.isprintable() and len(name) <= 100):
        raise ValidationError(_("Give the program a name."), code="invalid")
    program = Doctor(
        email=ADDRESS.format(key=uuid7()),
        last_name=name,
        is_service=True,
        practice=practice,
        practice_role=Role.DOCTOR,
        verification=Doctor.Verification.VERIFIED,
    )
    program.set_unusable_password()
    program.full_clean(exclude=["first_name", "last_name", "practice"])
    program.save(force_insert=True)
    access_record(actor=by, action="create", obj=program, request=request)
    return program


@transaction.atomic
def program_token_create(*, program: Doctor, by: Doctor, request=None) -> tuple[AuthToken, str]:
    """A token for the program, and its text, which nobody can read again.

    Raises ``NotOwnerError`` and what ``accounts.tokens.token_create`` raises.
    """
    practice_locked(program.practice_id, by)
    program = Doctor.objects.get(pk=program.pk, is_service=True)
    token, text = token_create(doctor=program, by=by, request=request)
    access_record(actor=by, action="update", obj=program, request=request)
    return token, text


@transaction.atomic
def program_end(*, program: Doctor, by: Doctor, request=None) -> None:
    """End the account with all its tokens; what it sent stays with the practice."""
    practice_locked(program.practice_id, by)
    _end(program)
    access_record(actor=by, action="delete", obj=program, request=request)


def programs_end(sender, *, practice, **_kwargs) -> None:
    """A practice that closes ends its programs."""
    for program in programs_list(practice):
        _end(program)


def _end(program: Doctor) -> None:
    Doctor.objects.filter(pk=program.pk, is_service=True).update(is_active=False)
    access_end(program)


practice_closed.connect(programs_end, dispatch_uid="programs_end")
