"""Every account's tokens, for administrators: to be looked at and revoked. No secret is there."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from operations.readonly_admin import ReadOnlyAdmin
from pneumoniapp.reauthentication import reauthenticated
from pneumoniapp.scopes import Scope

from .models import ApiToken
from .services import token_revoke


class StateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request, model_admin):
        return [("valid", _("valid")), ("unused", _("never used")), ("ended", _("ended"))]

    def queryset(self, request, queryset):
        now = timezone.now()
        match self.value():
            case "valid":
                return queryset.filter(expires_at__gt=now)
            case "unused":
                return queryset.filter(last_used_at=None)
            case "ended":
                return queryset.filter(expires_at__lte=now)
        return queryset


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Tokens by owner, with their scopes and last use."""

    list_display = (
        "name",
        "hint",
        "owner",
        "may",
        "from_where",
        "expires_at",
        "last_used",
    )
    list_select_related = ("owner",)
    list_filter = (StateFilter,)
    search_fields = ("owner__email__exact", "hint__startswith")
    search_help_text = _("E-mail address of the owner, or the first characters of a token")
    ordering = ("-created_at", "-pk")
    actions = ("revoke",)
    fields = ("id", *list_display, "created_at", "created_by")

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("accounts.delete_apitoken")

    @admin.display(description=_("scopes"))
    def may(self, token: ApiToken) -> str:
        return ", ".join(Scope(scope).value for scope in token.scopes)

    @admin.display(description=_("only from"))
    def from_where(self, token: ApiToken) -> str:
        return ", ".join(token.networks) or _("everywhere")

    @admin.display(description=_("last used"), ordering="last_used_at")
    def last_used(self, token: ApiToken) -> str:
        if token.last_used_at is None:
            return _("never")
        when = date_format(timezone.localtime(token.last_used_at), "SHORT_DATETIME_FORMAT")
        return f"{when} {token.last_used_from or ''}".strip()

    @admin.action(description=_("Revoke the selected tokens"), permissions=["revoke"])
    @reauthenticated
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        done = 0
        for token in queryset:
            token_revoke(token=token, by=request.user, request=request)
            done += 1
        text = ngettext("%(count)s token revoked.", "%(count)s tokens revoked.", done)
        self.message_user(request, text % {"count": done}, messages.SUCCESS)
