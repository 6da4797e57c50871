"""Events in words."""

from __future__ import annotations

from django.apps import apps
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

# Known reasons; another code is shown as it is.
REASONS = {
    "adjudication": gettext_lazy("decision between doctors"),
    "break_glass": gettext_lazy("emergency access"),
    "break_glass_ended": gettext_lazy("emergency access ended early"),
    "membership_ended": gettext_lazy("left a practice"),
    "shared": gettext_lazy("shared with the practice"),
    "unshared": gettext_lazy("taken back from the practice"),
    "erasure": gettext_lazy("erasure"),
    "export": gettext_lazy("export on request"),
    "second_reading": gettext_lazy("second reading"),
}
REFUSALS = {
    "refusal.emergency": gettext_lazy("emergency access to nobody's patient"),
    "refusal.401": gettext_lazy("without a valid token"),
    "refusal.403": gettext_lazy("not permitted"),
    "refusal.404": gettext_lazy("not found, or another's"),
    "refusal.login": gettext_lazy("failed log-in"),
}


def reason_text(reason: str) -> str:
    """``break_glass:<key>`` -> ``emergency access``; empty for none."""
    code = reason.partition(":")[0]
    return str(REASONS.get(code, code.replace("_", " ")))


def object_text(object_type: str) -> str:
    """``radiology.radiograph`` -> ``Radiograph``; what no model has stays as it is."""
    if object_type in REFUSALS:
        return str(REFUSALS[object_type])
    try:
        return capfirst(str(apps.get_model(object_type)._meta.verbose_name))
    except (LookupError, ValueError):
        return object_type


def actor_text(event) -> str:
    """Who it was; nobody is the program itself."""
    return str(event.actor) if event.actor_id else _("the program")
