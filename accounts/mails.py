"""The mails that we write ourselves; those of signing up and logging in are allauth's.

A mail leaves after the transaction that gave rise to it. A mail server that is down
never undoes what was decided: the failure is logged, without any address.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

from .models import Doctor

log = structlog.get_logger(__name__)


def mail_send(*, template: str, to: Iterable[str], language: str, context: dict) -> None:
    """Send ``accounts/email/<template>_{subject,message}.txt`` in ``language`` on commit."""
    with translation.override(language):
        subject = render_to_string(f"accounts/email/{template}_subject.txt", context)
        body = render_to_string(f"accounts/email/{template}_message.txt", context)
    message = EmailMessage(
        subject=settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + " ".join(subject.split()),
        body=body.strip() + "\n",
        to=list(to),
    )

    def send() -> None:
        try:
            message.send()
        except OSError as error:  # every error of smtplib is one
            log.error("mail_not_sent", template=template, error=type(error).__name__)

    transaction.on_commit(send)


def mail_doctor(
    *, template: str, doctor: Doctor, request=None, path: str = "/", context: dict | None = None
) -> None:
    """Write to one doctor in their language; ``path`` is linked where a request tells the host."""
    link = request.build_absolute_uri(path) if request else ""
    mail_send(
        template=template,
        to=[doctor.email],
        language=doctor.language,
        context={"doctor": doctor, "link": link, "contact": settings.CONTACT_EMAIL}
        | (context or {}),
    )


def mail_administrators(*, template: str, link: str) -> None:
    """Write to ``ADMINS``; where that is empty, to every active administrator."""
    to = [address for _name, address in settings.ADMINS] or list(
        Doctor.objects.filter(is_staff=True, is_active=True).values_list("email", flat=True)
    )
    # One mail each: nobody reads the others' addresses.
    for address in to:
        mail_send(
            template=template,
            to=[address],
            language=settings.LANGUAGE_CODE,
            context={"link": link},
        )
