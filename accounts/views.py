"""The account pages that are ours; the rest is allauth's, with our templates."""

from __future__ import annotations

from allauth.account import views as allauth
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views import i18n
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from .evenly import evenly
from .forms import ProfileForm
from .models import Doctor
from .services import doctor_language_set, doctor_update


class SignupView(allauth.SignupView):
    def form_valid(self, form) -> HttpResponse:
        try:
            with evenly():  # An account takes longer to open than one that is there to name.
                return super().form_valid(form)
        except (IntegrityError, ValidationError):
            # Another sign-up took the number or the address in this moment: now it shows.
            self._cached_form = None
            form = self.get_form()
            return super().form_valid(form) if form.is_valid() else self.form_invalid(form)


@never_cache
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """The doctor's own data and language."""
    if request.method != "POST":
        return _account_page(request, ProfileForm(instance=_copy(request.user)))
    form = ProfileForm(request.POST, instance=_copy(request.user))
    if not form.is_valid():
        return _account_page(request, form, status=422)
    doctor_update(doctor=request.user, by=request.user, request=request, **form.cleaned_data)
    language = form.cleaned_data["language"]
    with translation.override(language):
        messages.success(request, _("Your account has been changed."))
    response = redirect("accounts:account")
    _language_cookie_set(response, language)
    return response


def _copy(doctor) -> Doctor:
    """A row of its own: a refused change must not show in the page around the form."""
    return Doctor.objects.get(pk=doctor.pk)


def _account_page(request: HttpRequest, form: ProfileForm, status: int = 200) -> HttpResponse:
    return render(request, "accounts/account.html", {"form": form}, status=status)


def language_set(request: HttpRequest) -> HttpResponse:
    """Switch the language, as Django's view does, and remember it for the account."""
    response = i18n.set_language(request)
    switched = response.cookies.get(settings.LANGUAGE_COOKIE_NAME)
    if switched and request.user.is_authenticated:
        doctor_language_set(doctor=request.user, language=switched.value)
    return response


def _language_cookie_set(response: HttpResponse, language: str) -> None:
    """As Django's ``set_language`` sets it."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=settings.LANGUAGE_COOKIE_SAMESITE,
    )
