"""One representation for each address, so there is nothing to negotiate."""

from rest_framework.negotiation import BaseContentNegotiation


class OneRepresentation(BaseContentNegotiation):
    """Answer in the only form there is, whatever ``Accept`` says (RFC 9110, section 12.5.1)."""

    def select_parser(self, request, parsers):
        content_type = (request.content_type or "").partition(";")[0].strip().lower()
        return next((p for p in parsers if p.media_type == content_type), None)

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type
