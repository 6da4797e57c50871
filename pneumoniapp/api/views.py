"""What every view of the API has in common."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from pneumoniapp.scopes import ANY

from .errors import TokenScopeError

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


class ScopedMixin:
    """Refuses a token that lacks the scope which the asked action declares.

    What declares none is closed to every token, so a forgotten one is found by whoever asks.
    """

    # Scopes by action (or by lower-case method).
    scopes: dict[str, str] = {}

    @classmethod
    def scope_of(cls, action: str) -> str | None:
        """The scope of an action, ``ANY``, or ``None`` where none is declared."""
        return cls.scopes.get(action)

    def check_permissions(self, request) -> None:
        super().check_permissions(request)
        token, method = request.auth, request.method.lower()
        if token is None or method not in self.http_method_names:
            return
        method = "get" if method == "head" else method
        needed = self.scope_of(getattr(self, "action", None) or method)
        if needed == ANY or needed in token.scopes or not hasattr(self, method):
            return
        # operations.audit.refusals writes down which token it was.
        request._request.refusal = (request.user, f"token_scope:{token.pk}")
        raise TokenScopeError(scope=needed)


class ApiView(ScopedMixin, StrictQueryMixin, APIView):
    """A single address."""


class ApiViewSet(ScopedMixin, StrictQueryMixin, GenericViewSet):
    """The addresses of one kind of object, each with a UUID as its key."""

    lookup_value_converter = "uuid"
