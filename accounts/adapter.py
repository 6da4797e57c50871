"""Where allauth asks us: addresses, sentences, mails and the pages that follow."""

from __future__ import annotations

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from allauth.core import context
from django.contrib import messages
from django.core.validators import validate_email
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from . import services
from .access import home_url
from .models import Doctor
from .second_factor.selectors import session_used_second_factor
from .validators import email_normalize, validate_ascii_email

log = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):
    """The address of an account is ``Doctor.email``, which is unique on every database.

    allauth's own index of confirmed addresses is conditional, which MySQL and MariaDB
    ignore, so whoever holds an address as ``Doctor.email`` has it before everybody else.
    """

    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": _("This account is closed."),
        "duplicate_email": _("This is your e-mail address already."),
        "email_password_mismatch": _("The e-mail address or the password is wrong."),
        "email_taken": _("An account with this e-mail address exists already."),
        "enter_current_password": _("This is not your current password."),
        "incorrect_password": _("This is not your password."),
        "too_many_login_attempts": _(
            "Too many failed attempts. Wait a few minutes before you try again."
        ),
        "unknown_email": _("No account has this e-mail address."),
    }

    def is_ajax(self, request: HttpRequest) -> bool:
        return False  # These are pages; programs have the API.

    def clean_email(self, email: str) -> str:
        email = email_normalize(email)
        validate_email(email)
        validate_ascii_email(email)
        return email

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials) -> str:
        """Whoever is in already is counted by the session: a stranger's tries close nobody out."""
        if request.user.is_authenticated:
            return f"session:{request.user.pk}:{request.session.session_key}"
        return super()._get_login_attempts_cache_key(request, **credentials)

    def save_user(self, request, user, form, commit=True) -> Doctor:
        data = form.cleaned_data
        return services.doctor_register(
            email=data["email"],
            password_hash=form.password_hash,
            first_name=data["first_name"],
            last_name=data["last_name"],
            registration_number=data["registration_number"],
            language=translation.get_language(),
            request=request,
        )

    def confirm_email(self, request, email_address: EmailAddress) -> bool:
        if not self._is_free(email_address):
            messages.error(request, _("This address belongs to another account by now."))
            return False
        return super().confirm_email(request, email_address)

    def send_confirmation_mail(self, request, emailconfirmation, signup: bool) -> None:
        address = emailconfirmation.email_address
        if self._is_free(address):
            super().send_confirmation_mail(request, emailconfirmation, signup)
        else:
            # Somebody wants to change to the address of another account: its owner hears
            # of it, and the page looks as it does for a free address.
            self.send_account_already_exists_mail(address.email)

    @staticmethod
    def _is_free(address: EmailAddress) -> bool:
        others = Doctor.objects.exclude(pk=address.user_id)
        return not others.filter(email=address.email).exists()

    def send_account_already_exists_mail(self, email: str) -> None:
        owner = Doctor.objects.filter(email=email).only("language").first()
        with translation.override(owner.language if owner else translation.get_language()):
            super().send_account_already_exists_mail(email)

    def send_mail(self, template_prefix: str, email: str, context: dict) -> None:
        try:
            super().send_mail(template_prefix, email, context)
        except OSError as error:  # every error of smtplib is one
            log.error("mail_not_sent", template=template_prefix, error=type(error).__name__)
            messages.error(
                self.request,
                _(
                    "An e-mail could not be sent just now. If you are waiting for one, "
                    "try again in a few minutes."
                ),
            )

    def get_reauthentication_methods(self, user) -> list[dict]:
        """The password proves nothing where a second factor exists and was not shown yet."""
        methods = super().get_reauthentication_methods(user)
        if len(methods) > 1 and not session_used_second_factor(context.request):
            methods = [method for method in methods if method["id"] != "reauthenticate"]
        return methods

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        return home_url(request.user)

    def get_signup_redirect_url(self, request: HttpRequest) -> str:
        return home_url(request.user)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("accounts:account")

    def get_email_verification_redirect_url(self, email_address: EmailAddress) -> str:
        user = context.request.user
        return reverse("accounts:account" if user.is_authenticated else "account_login")
