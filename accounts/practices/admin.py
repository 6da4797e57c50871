"""Practices and who belonged to them when, for administrators; the actions call the services."""

from __future__ import annotations

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from operations.readonly_admin import ReadOnlyAdmin, RecordedAdmin
from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthenticated

from .models import Practice, PracticeMembership, Role
from .services import member_end, member_role_set


class MembershipInline(admin.TabularInline):
    model = PracticeMembership
    fk_name = "practice"
    extra = 0
    can_delete = False
    fields = readonly_fields = ("doctor", "role", "joined_at", "ended_at", "ended_by")

    def has_add_permission(self, request, obj=None) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("doctor", "ended_by")


@admin.register(Practice)
class PracticeAdmin(RecordedAdmin):
    """Practices, with everybody who is or was a member."""

    list_display = ("name", "created_at", "closed_at")
    list_filter = (("closed_at", admin.EmptyFieldListFilter),)
    search_fields = ("name",)
    fields = ("id", "name", "created_at", "closed_at")
    inlines = (MembershipInline,)


@admin.register(PracticeMembership)
class PracticeMembershipAdmin(ReadOnlyAdmin):
    """Memberships; one is ended, or made an owner's, where no owner can do it any more."""

    list_display = ("doctor", "practice", "role", "joined_at", "ended_at", "ended_by")
    list_select_related = ("doctor", "practice", "ended_by")
    list_filter = ("role", "is_open")
    search_fields = ("doctor__email__exact", "practice__name__startswith")
    ordering = ("-joined_at", "-pk")
    actions = ("make_owner", "end_membership")
    fields = ("id", "practice", "doctor", "role", "joined_at", "ended_at", "ended_by")

    def has_administer_permission(self, request) -> bool:
        return request.user.has_perm("accounts.change_practice")

    @admin.action(description=_("Make owners of their practice"), permissions=["administer"])
    @reauthenticated
    def make_owner(self, request, queryset) -> None:
        self._each(request, queryset, member_role_set, role=Role.OWNER)

    @admin.action(description=_("End the membership"), permissions=["administer"])
    @reauthenticated
    def end_membership(self, request, queryset) -> None:
        self._each(request, queryset, member_end)

    def _each(self, request, queryset, service, **values) -> None:
        done = 0
        for membership in queryset:
            try:
                service(membership=membership, by=request.user, request=request, **values)
            except CodedError as error:
                self.message_user(request, f"{membership.doctor}: {error}", messages.ERROR)
            else:
                done += 1
        if done:
            text = ngettext("%(count)s membership changed.", "%(count)s memberships changed.", done)
            self.message_user(request, text % {"count": done}, messages.SUCCESS)
