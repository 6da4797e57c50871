"""Service accounts: programs that belong to a practice and to no person.

An account without a password and without a mailbox, which nobody signs in to: an owner of the
practice makes tokens for it. It sees what the practice shares, sends radiographs, and judges
nothing; patients that it records are shared with the practice from the start.
"""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ApiToken, Doctor
from accounts.services import access_end
from accounts.tokens.services import token_create, token_revoke
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
    tokens = ApiToken.objects.filter(expires_at__gt=timezone.now())
    return programs.prefetch_related(Prefetch("api_tokens", tokens)).order_by("last_name", "pk")


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
def program_token_create(
    *, owner: Doctor, by: Doctor, request=None, **values
) -> tuple[ApiToken, str]:
    """A token for the program ``owner``, and its text, which nobody can read again.

    ``values`` and the rest of what is raised: ``accounts.tokens.services.token_create``.
    Raises ``NotOwnerError``.
    """
    practice_locked(owner.practice_id, by)
    program = Doctor.objects.get(pk=owner.pk, is_service=True)
    token, text = token_create(owner=program, by=by, request=request, **values)
    access_record(actor=by, action="update", obj=program, request=request)
    return token, text


@transaction.atomic
def program_token_end(*, token: ApiToken, by: Doctor, request=None) -> None:
    """Revoke one token of a program. Raises ``NotOwnerError``."""
    practice_locked(token.owner.practice_id, by)
    token_revoke(token=token, by=by, request=request)


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
