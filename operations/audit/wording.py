"""Events in words."""

from __future__ import annotations

from django.apps import apps
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# Known reasons; another code is shown as it is.
REASONS = {
    "logged_in": gettext_lazy("logged in"),
    "logged_out": gettext_lazy("logged out"),
    "session_ended": gettext_lazy("session ended by its owner"),
    "session_idle": gettext_lazy("session that nobody used"),
    "session_old": gettext_lazy("session at its longest time"),
    "second_factor_added": gettext_lazy("second factor added"),
    "second_factor_removed": gettext_lazy("second factor removed"),
    "second_factor_wrong": gettext_lazy("wrong code of a second factor"),
    "recovery_codes_made": gettext_lazy("new recovery codes"),
    "verification": gettext_lazy("verification of a doctor"),
    "consent_given": gettext_lazy("consent to training given"),
    "consent_withdrawn": gettext_lazy("consent to training withdrawn"),
    "consent_unknown": gettext_lazy("consent to training not known"),
    "address_changed": gettext_lazy("e-mail address changed"),
    "adjudication": gettext_lazy("decision between doctors"),
    "break_glass": gettext_lazy("emergency access"),
    "break_glass_ended": gettext_lazy("emergency access ended early"),
    "handed_over": gettext_lazy("taken over from a program of a practice that closed"),
    "membership_ended": gettext_lazy("left a practice"),
    "shared": gettext_lazy("shared with the practice"),
    "unshared": gettext_lazy("taken back from the practice"),
    "erasure": gettext_lazy("erasure"),
    "doctor_export": gettext_lazy("export of an account on request"),
    "patient_export": gettext_lazy("export of a patient on request"),
    "erasure_asked": gettext_lazy("erasure asked for"),
    "erasure_refused": gettext_lazy("erasure refused"),
    "dataset": gettext_lazy("data for training"),
    "password_changed": gettext_lazy("password changed"),
    "password_reset": gettext_lazy("password chosen anew by a link"),
    "renamed": gettext_lazy("name changed"),
    "rights_changed": gettext_lazy("rights changed"),
    "second_reading": gettext_lazy("second reading"),
    "token_address": gettext_lazy("a token used from another address"),
    "token_ended": gettext_lazy("a token that has ended"),
    "token_maker": gettext_lazy("a token whose maker may not make one any more"),
    "token_scope": gettext_lazy("a token without the scope"),
}
# Kinds of objects that no model has.
OBJECTS = {
    "accounts.session": gettext_lazy("Session"),
    "operations.filekey": gettext_lazy("Key of the stored files"),
    "operations.restore": gettext_lazy("Restore"),
}
REFUSALS = {
    "refusal.emergency": gettext_lazy("emergency access to nobody's patient"),
    "refusal.401": gettext_lazy("without a valid token"),
    "refusal.403": gettext_lazy("not permitted"),
    "refusal.404": gettext_lazy("not found, or another's"),
    "refusal.login": gettext_lazy("failed log-in"),
}
# Where the row is shown whose key stands behind a reason.
REASON_PAGES = {"break_glass": "admin:patients_emergencyaccess_change"}
# What was recorded under the name of a model that is gone.
EARLIER = {"knox.authtoken": "accounts.apitoken"}


def reason_text(reason: str) -> str:
    """``break_glass:<key>`` -> ``emergency access``; empty for none."""
    code = reason.partition(":")[0]
    return str(REASONS.get(code, code.replace("_", " ")))


def reason_page(reason: str) -> tuple[str, str]:
    """The route and key of the row that ``reason`` names; two empty texts where it names none."""
    code, _colon, key = reason.partition(":")
    return (REASON_PAGES[code], key) if key and code in REASON_PAGES else ("", "")


def object_text(object_type: str) -> str:
    """``radiology.radiograph`` -> ``Radiograph``; what nobody knows any more stays as it is."""
    if words := OBJECTS.get(object_type) or REFUSALS.get(object_type):
        return str(words)
    try:
        return capfirst(
            str(apps.get_model(EARLIER.get(object_type, object_type))._meta.verbose_name)
        )
    except (LookupError, ValueError):
        return object_type


def actor_text(event) -> str:
    """Who it was; nobody is the program itself."""
    return str(event.actor) if event.actor_id else _("the program")
