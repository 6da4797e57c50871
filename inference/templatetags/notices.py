"""The number beside the link to the worklist, as the browser was told it last."""

from __future__ import annotations

from django import template

from inference.notices_page import WAITING_LIMIT, Seen

register = template.Library()


@register.inclusion_tag("notices/_waiting.html", takes_context=True)
def waiting_readings(context, waiting: int | None = None) -> dict:
    """Takes no query: without ``waiting`` it is what stands in the cookie."""
    if waiting is None:
        request = context.get("request")
        waiting = Seen.of(request).waiting if request else 0
    return {
        "count": min(waiting, WAITING_LIMIT),
        "more": waiting > WAITING_LIMIT,
        "waiting": waiting,
    }
