"""Small template tags that every page shares; a builtin of the template engine."""

from __future__ import annotations

from django import template
from django.forms import BoundField, CheckboxInput, Select
from django.forms.boundfield import BoundWidget
from django.templatetags.static import static
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

register = template.Library()


@register.simple_tag
def control(field: BoundField) -> SafeString:
    """The form control of ``field`` with our classes; Django adds the ARIA attributes."""
    widget = field.field.widget
    if isinstance(widget, CheckboxInput):
        css = "form-check-input"
    elif isinstance(widget, Select):
        css = "form-select"
    else:
        css = "form-control"
    if field.errors:
        css += " is-invalid"
    own = widget.attrs.get("class", "")
    return field.as_widget(attrs={"class": f"{css} {own}".strip()})


@register.simple_tag
def option_control(option: BoundWidget) -> SafeString:
    """One radio button or checkbox of a group, with our class."""
    option.data["attrs"]["class"] = "form-check-input"
    return option.tag()


@register.filter
def is_checkbox(field: BoundField) -> bool:
    """Whether the label of ``field`` stands behind its control."""
    return isinstance(field.field.widget, CheckboxInput)


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of ``static/img/icons.svg``, for the eye alone: words always stand beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("img/icons.svg"),
        name,
    )


@register.filter
def prefix(value: str, text: str) -> str:
    """``value`` behind ``text``."""
    return f"{text}{value}"


@register.filter
def percent(value: float | None) -> str:
    """A probability in [0, 1] as a whole percentage in the reader's language.

    Nothing short of certainty is written as 0 or 100 %.
    """
    if value is None:
        return "–"
    if 0 < value < 0.005:
        return _("< 1%")
    if 0.995 <= value < 1:
        return _("> 99%")
    return _("%(number)s%%") % {"number": number_format(round(value * 100), 0)}


@register.simple_tag
def bar(value: float, kind: str = "") -> SafeString:
    """A bar filled to ``value`` in [0, 1]; its number stands beside it as text."""
    return format_html(
        '<svg class="bar" data-kind="{}" aria-hidden="true" focusable="false">'
        '<rect class="bar-track" width="100%" height="100%" rx="5"/>'
        '<rect class="bar-fill" width="{}%" height="100%" rx="5"/></svg>',
        kind,
        f"{min(max(value, 0.0), 1.0) * 100:.1f}",
    )
