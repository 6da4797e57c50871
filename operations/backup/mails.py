"""The mail about a backup or a drill that failed. It says nothing of a patient."""

from __future__ import annotations

import structlog
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMessage
from django.db import transaction
from django.template.loader import render_to_string
from django.utils import translation

log = structlog.get_logger(__name__)


def mail_failure(*, template: str, row) -> None:
    """Tell ``ADMINS`` (else every active administrator) on commit, one mail each.

    ``row`` is a ``Backup`` or a ``RestoreDrill`` with an error. A mail server that is down
    is logged: the row, the admin and ``/health/ready`` say the same.
    """
    accounts = get_user_model().objects.filter(is_staff=True, is_active=True)
    to = [address for _name, address in settings.ADMINS] or list(
        accounts.values_list("email", flat=True)
    )
    with translation.override(settings.LANGUAGE_CODE):
        context = {"row": row}
        subject = render_to_string(f"operations/email/{template}_subject.txt", context)
        body = render_to_string(f"operations/email/{template}_message.txt", context)
    subject = settings.ACCOUNT_EMAIL_SUBJECT_PREFIX + " ".join(subject.split())

    def send() -> None:
        for address in to:
            try:
                EmailMessage(subject=subject, body=body.strip() + "\n", to=[address]).send()
            except OSError as error:  # every error of smtplib is one
                log.error("mail_not_sent", template=template, error=type(error).__name__)

    transaction.on_commit(send)
