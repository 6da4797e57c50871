"""Second readings: a doctor asks a colleague to look at one radiograph as well.

The colleague sees that radiograph with its readings, and nothing else of the patient; every
door asks ``visible_to``, so withdrawing closes them all at once. Whether the address that was
asked belongs to an account shows nowhere, not in the answer and not in the time it takes.
"""

from __future__ import annotations

from functools import partial

import structlog
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.mails import mail_doctor
from accounts.selectors import address_normalize, colleague_find
from accounts.validators import validate_registration_number
from operations.services import access_record
from pneumoniapp.errors import PermanentError

from .models import Radiograph, SecondReading

# How many colleagues may be asked for one radiograph at a time.
MOST_OPEN = 5

log = structlog.get_logger(__name__)


class SecondReadingOfOneselfError(PermanentError):
    """A second reading is another doctor's."""

    code = "second_reading_of_oneself"
    sentence = _("A second reading is a colleague's: write their address, not your own.")


class TooManySecondReadingsError(PermanentError):
    """``limit`` is how many may be asked for one radiograph."""

    code = "too_many_second_readings"
    status = 409
    sentence = _("You have asked %(limit)s colleagues for this radiograph: withdraw one first.")


def second_reading_ask(
    *, radiograph: Radiograph, asked_by, address: str, request=None
) -> SecondReading:
    """Ask whoever has this e-mail address or registration number; asking twice is asking once,
    unless nobody had it the first time and a doctor who may practise has it now.

    A doctor who may practise is let in and told by mail; for any other address the same
    is stored and answered, and nobody is told. Raises ``ValidationError`` for what is
    neither an address nor a number, :class:`SecondReadingOfOneselfError` and
    :class:`TooManySecondReadingsError`.
    """
    address = address_normalize(address)
    _check(address)
    if address in (asked_by.email, asked_by.registration_number):
        raise SecondReadingOfOneselfError
    with transaction.atomic():
        Radiograph.objects.select_for_update().only("pk").get(pk=radiograph.pk)
        asked = SecondReading.objects.filter(radiograph=radiograph, is_open=True)
        reader = colleague_find(address)
        if known := asked.filter(address=address).first():
            if known.reader_id or reader is None:
                return known
            asked.filter(pk=known.pk).update(is_open=None, withdrawn_at=timezone.now())
        if asked.count() >= MOST_OPEN:
            raise TooManySecondReadingsError(limit=MOST_OPEN)
        second = SecondReading(
            radiograph=radiograph,
            asked_by=asked_by,
            address=address,
            reader=reader,
        )
        second.full_clean(exclude=["radiograph", "asked_by", "reader"])
        second.save(force_insert=True)
        access_record(actor=asked_by, action="create", obj=second, request=request)
        transaction.on_commit(partial(_send, second.pk), robust=True)
    return second


def second_reading_withdraw(*, second: SecondReading, by, request=None) -> None:
    """Close the radiograph to who was asked; what they judged stays. Twice is once."""
    with transaction.atomic():
        closed = SecondReading.objects.filter(pk=second.pk, is_open=True).update(
            is_open=None, withdrawn_at=timezone.now()
        )
        if closed:
            access_record(actor=by, action="update", obj=second, request=request)


def second_reader_mail(*, second_id) -> None:
    """Tell the doctor who was asked, if there is one, without a word of the patient."""
    second = SecondReading.objects.select_related("reader").get(pk=second_id)
    if second.is_open and second.reader and second.reader.may_practise:
        mail_doctor(template="second_reading", doctor=second.reader)


def _send(second_id) -> None:
    """For every address alike: a mail sent here would tell by its time that there is a reader."""
    from .tasks import tell_second_reader

    try:
        tell_second_reader.delay(str(second_id))
    except Exception as error:
        # What a broker's client raises is many kinds. The reader finds it in the list.
        log.warning("second_reading_not_told", error=type(error).__name__)


def _check(address: str) -> None:
    try:
        (validate_email if "@" in address else validate_registration_number)(address)
    except ValidationError as error:
        raise ValidationError(
            _("Write an e-mail address or a registration number."), code="invalid_address"
        ) from error
