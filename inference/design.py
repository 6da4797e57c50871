"""The design system as the living page shows it: measured colours and every component.

Nothing here is a copy: colours are read from ``static/css/app.css``, components are rendered
from ``templates/components/`` with the data of :data:`SAMPLES`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from types import SimpleNamespace

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from patients.models import Patient
from radiology.models import Radiograph

from .models import Analysis, Label, Review

COMPONENTS = settings.BASE_DIR / "templates" / "components"
STYLE = settings.BASE_DIR / "static" / "css" / "app.css"
THEMES = ("light", "dark")
# WCAG 2.2, success criteria 1.4.3 (text) and 1.4.11 (parts of controls).
TEXT, PART = 4.5, 3.0
PAIRS = (
    ("bs-body-color", "surface", TEXT),
    ("bs-body-color", "surface-sunken", TEXT),
    ("bs-body-color", "accent-soft", TEXT),
    ("muted", "surface", TEXT),
    ("muted", "surface-sunken", TEXT),
    ("accent", "surface", TEXT),
    ("accent", "surface-sunken", TEXT),
    ("accent", "accent-soft", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("normal", "normal-soft", TEXT),
    ("opacity", "opacity-soft", TEXT),
    ("abnormal", "abnormal-soft", TEXT),
    ("danger", "surface", TEXT),
    ("line-strong", "surface", PART),
    ("focus", "surface", PART),
    ("focus", "surface-sunken", PART),
)


def colour_roles(style: str) -> dict[str, dict[str, str]]:
    """``{"light": {"surface": "#ffffff", ...}, "dark": {...}}`` of a style sheet's own roles."""
    roles = {}
    for theme in THEMES:
        block = re.search(rf'\[data-bs-theme="{theme}"\] \{{(.*?)\}}', style, re.DOTALL)[1]
        found = re.findall(r"--([\w-]+): #([0-9a-f]{3}|[0-9a-f]{6});", block)
        roles[theme] = {
            name: f"#{value if len(value) == 6 else ''.join(2 * c for c in value)}"
            for name, value in found
        }
    return roles


def luminance(colour: str) -> float:
    """Relative luminance in [0, 1] of ``#rrggbb`` (WCAG 2.2, definition)."""
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio in [1, 21] (WCAG 2.2, definition)."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def contrasts() -> list[dict]:
    """Each pair of roles with its ratio in both themes and what it has to reach."""
    roles = colour_roles(STYLE.read_text())
    return [
        {
            "front": front,
            "back": back,
            "least": least,
            "themes": [
                {
                    "theme": theme,
                    "front": roles[theme][front],
                    "back": roles[theme][back],
                    "ratio": contrast(roles[theme][front], roles[theme][back]),
                }
                for theme in THEMES
            ],
        }
        for front, back, least in PAIRS
    ]


class SampleForm(forms.Form):
    """Every kind of field: plain, with help, refused, optional, choice, box, group."""

    address = forms.EmailField(label=_("E-mail address"), help_text="…@example.org")
    sex = forms.ChoiceField(label=_("Sex"), choices=[("", _("Choose…"))])
    day = forms.DateField(label=_("Birth date"), required=False)
    agreed = forms.BooleanField(label=_("Approve"), required=False)
    label = forms.ChoiceField(label=_("Class"), choices=Label.choices, widget=forms.RadioSelect)


def _analysis(**values) -> Analysis:
    base = {"status": "done", "label": "lung_opacity", "certainty": "certain"}
    return Analysis(
        **base | {"p_normal": 0.05, "p_lung_opacity": 0.9, "p_not_normal": 0.05} | values
    )


def _analyses() -> list[dict]:
    """A reading of each kind."""
    both = ["not_normal", "lung_opacity"]
    return [
        {"analysis": _analysis()},
        {"analysis": _analysis(label="normal", certainty="high")},
        {"analysis": _analysis(label="not_normal", certainty="moderate")},
        {"analysis": _analysis(certainty="uncertain", prediction_set=both)},
        {"analysis": _analysis(certainty="low")},
        {"analysis": _analysis(certainty="unlike", prediction_set=[])},
    ]


def _review(**values) -> Review:
    doctor = get_user_model()(first_name="Camille", last_name="Martin")
    now = timezone.now()
    return Review(
        **{"verdict": "approved", "label": "normal", "doctor": doctor, "created_at": now} | values
    )


def _entry(**values) -> SimpleNamespace:
    """A radiograph of a timeline; its reading is of an older version than the one in use."""
    radiograph = Radiograph(acquired_on=dt.date(2024, 3, 4), view_position="PA")
    return SimpleNamespace(
        analysis=_analysis(radiograph=radiograph, **values),
        outdated=True,
        production="mobilenetv2:4",
        earlier=[_analysis(label="normal", certainty="high")],
    )


def _states() -> list[dict]:
    return [{"analysis": _analysis(status=status)} for status in Analysis.Status.values]


def _filled() -> SampleForm:
    form = SampleForm({"address": "nobody", "label": "normal"})
    form.add_error(None, _("Something went wrong"))
    return form


# Name of the file in templates/components/ -> the contexts it is shown with.
SAMPLES: dict[str, Callable[[], list[dict]]] = {
    "alert": lambda: [
        {"kind": kind, "text": kind} for kind in ("info", "success", "warning", "danger")
    ],
    "certainty_badge": _analyses,
    "class_badge": lambda: [{"label": label.value, "name": label.label} for label in Label],
    "dialog": lambda: [
        {
            "id": "sample-dialog",
            "heading": _("Keys of the worklist"),
            "body": "worklist/_keys_list.html",
        }
    ],
    "disclaimer_text": lambda: [{}],
    "earlier_readings": lambda: [{"analyses": [_analysis(), _analysis(certainty="low")]}],
    "empty_state": lambda: [
        {
            "icon": "image",
            "heading": _("No radiograph yet"),
            "text": _("The first reading of this patient will stand here."),
            "action_url": "#components",
            "action": _("New reading"),
        }
    ],
    "error_state": list,
    "field": lambda: [{"field": field} for field in _filled()],
    "filters": lambda: [{"form": SampleForm(), "action_url": "#components"}],
    "finding": _analyses,
    "footer": list,
    "form_errors": lambda: [{"form": _filled()}],
    "header": list,
    "judgement": lambda: [
        {"review": _review()},
        {"review": _review(verdict="contested", label="lung_opacity", before_reading=True)},
    ],
    "language": list,
    "messages": list,
    "page_header": list,
    "pagination": lambda: [{"page": SimpleNamespace(before="b", after="a")}],
    "read_again": lambda: [{"entry": _entry()}],
    "reading_summary": lambda: [*_analyses(), *_states()[-1:]],
    "status_badge": _states,
    "timeline": lambda: [
        {
            "patient": Patient(),
            "page": [
                _entry(),
                _entry(certainty="uncertain", prediction_set=["normal", "lung_opacity"]),
            ],
        }
    ],
    "timeline_entry": list,
    "toast": lambda: [
        {
            "text": _("Your radiographs have been read"),
            "action_url": "#components",
            "action": _("Worklist"),
        }
    ],
}
# Of which a page has one alone, or which stand on this page already.
ELSEWHERE = {
    "error_state": "/nothing/",
    "footer": "",
    "header": "",
    "language": "",
    "messages": "",
    "page_header": "",
    "timeline_entry": "#component-timeline",
}


def components(request: HttpRequest) -> list[dict]:
    """Every file of ``templates/components/`` with what its first lines say and its samples."""
    found = []
    for file in sorted(COMPONENTS.glob("*.html")):
        name = file.stem
        comment = re.search(r"\{% comment %\}(.*?)\{% endcomment %\}", file.read_text(), re.DOTALL)
        found.append(
            {
                "name": name,
                "about": comment[1].strip() if comment else "",
                "elsewhere": ELSEWHERE.get(name),
                "samples": [_rendered(name, context, request) for context in SAMPLES[name]()],
            }
        )
    return found


def _rendered(name: str, context: dict, request: HttpRequest) -> SafeString:
    return render_to_string(f"components/{name}.html", context, request)
