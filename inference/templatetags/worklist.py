"""The way back to the worklist, and what its rows show."""

from __future__ import annotations

from django import template

from inference.models import Analysis
from inference.wording import labels_of
from inference.worklist import worklist_address

register = template.Library()


@register.simple_tag(takes_context=True)
def worklist_url(context, radiograph_pk=None) -> str:
    """The worklist as this browser showed it last, at the row of one radiograph."""
    return worklist_address(context["request"], radiograph_pk)


@register.filter
def approvable(analysis: Analysis) -> bool:
    """Whether the reading names one class, with which a doctor may agree from the list."""
    return (
        analysis.status == Analysis.Status.DONE
        and not analysis.judgement
        and len(labels_of(analysis)) == 1
    )
