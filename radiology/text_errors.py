"""Why an administrator's answer about burned-in text can't be kept."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError


class NoTextSuspectedError(PermanentError):
    code = "no_text_suspected"
    status = 409
    sentence = _("No text was found in this image: there is nothing to decide.")
