"""What every view of the API has in common."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

PAGING_PARAMETERS = frozenset({"cursor", "page_size"})


class StrictQueryMixin:
    """Refuses query parameters that the address does not know, and empty ones.

    A misspelt filter that is overlooked shows the wrong patients' rows.
    """

    # Parameters by action (or by lower-case method), beside those of filters and paging.
    query_parameters: dict[str, frozenset[str]] = {}
    # Actions that answer with a page of a list.
    list_actions: tuple[str, ...] = ("list",)
    http_method_names = ["get", "head", "post", "put", "patch"]

    def initial(self, request, *args, **kwargs):
        super().initial(request, *args, **kwargs)
        if not hasattr(self, request.method.lower()):
            self.http_method_not_allowed(request)
        known = self._known_parameters()
        wrong = {
            name: _("There is no such parameter.")
            if name not in known
            else _("This parameter needs one value.")
            for name, values in request.query_params.lists()
            if name not in known or len(values) > 1 or not values[0]
        }
        if wrong:
            raise ValidationError(
                {
                    name: [ErrorDetail(text, "invalid" if name in known else "unknown")]
                    for name, text in wrong.items()
                }
            )

    def _known_parameters(self) -> frozenset[str]:
        action = getattr(self, "action", None) or self.request.method.lower()
        known = self.query_parameters.get(action, frozenset())
        if action in self.list_actions:
            known |= PAGING_PARAMETERS
            if filters := getattr(self, "filterset_class", None):
                known |= frozenset(filters.base_filters)
        return known


class ApiView(StrictQueryMixin, APIView):
    """A single address."""


class ApiViewSet(StrictQueryMixin, GenericViewSet):
    """The addresses of one kind of object, each with a UUID as its key."""

    lookup_value_converter = "uuid"
