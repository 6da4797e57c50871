"""Doctors in the admin. Rules are in the services; nothing here shows a password or a token."""

from __future__ import annotations

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import admin as auth_admin
from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from operations.admin_search import SealedSearch
from operations.services import access_record
from pneumoniapp.errors import CodedError
from pneumoniapp.reauthentication import reauthenticated, reauthentication_check

from . import services
from .access import admin_login
from .errors import LastAdministratorError
from .models import Doctor
from .practices import admin as practices_admin  # noqa: F401
from .practices.programs import program_end
from .second_factor.services import second_factor_remove
from .tokens import admin as tokens_admin  # noqa: F401
from .verification.admin import VerificationPages
from .verification.services import doctor_suspend, doctor_verify

# The login of the admin is the one of the pages, with its limits.
admin.site.login = admin_login
# Addresses, second factors and sessions are the accounts' own affair: no form edits
# them beside the services.
admin.site.unregister(EmailAddress)
admin.site.unregister(Authenticator)
admin.site.unregister(UserSession)

admin.site.site_header = admin.site.site_title = "PneumoniApp"

RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


# The page of the accounts has limits, mails and a record.
admin.site.password_change = lambda request, **kwargs: redirect("account_change_password")
admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(auth_admin.GroupAdmin):
    """What a group may do its members may do: it is changed as rights are, and recorded."""

    def save_model(self, request: HttpRequest, obj: Group, form, change: bool) -> None:
        reauthentication_check(request)
        super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form, formsets, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        _rights_record(request, form.instance, "update" if change else "create")

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        reauthentication_check(request)
        _rights_record(request, obj, "delete")
        super().delete_model(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        for group in queryset:
            self.delete_model(request, group)


def _rights_record(request: HttpRequest, obj, action: str) -> None:
    access_record(
        actor=request.user, action=action, obj=obj, reason="rights_changed", request=request
    )


def _by_key(entry):
    """The admin's own history names an account by its key alone: it outlives the name."""
    entry.object_repr = f"#{entry.object_id}"
    entry.save(update_fields=["object_repr"])
    return entry


class DoctorForm(forms.ModelForm):
    """Says beside the form what the service would refuse."""

    def clean(self) -> dict:
        values = super().clean()
        changes = {name: values[name] for name in self.changed_data if name in values}
        if self.instance.pk:
            doctor = Doctor.objects.get(pk=self.instance.pk)
            try:
                services.last_administrator_check(doctor=doctor, changes=changes)
            except CodedError as error:
                self.add_error(None, str(error))
        return values


def _suspend(*, doctor: Doctor, by: Doctor, request: HttpRequest) -> None:
    """A program is ended: nobody verifies one."""
    if doctor.is_service:
        program_end(program=doctor, by=by, request=request)
    else:
        doctor_suspend(doctor=doctor, by=by, request=request)


@admin.register(Doctor)
class DoctorAdmin(VerificationPages, SealedSearch):
    """Doctors and administrators; verification is moved by the actions and on a page of its own."""

    form = DoctorForm
    list_display = (
        "last_name",
        "first_name",
        "email",
        "registration_number",
        "verification",
        "email_confirmed",
        "is_staff",
        "is_active",
        "date_joined",
    )
    list_filter = (
        "verification",
        ("renamed_from", admin.EmptyFieldListFilter),
        "is_service",
        "is_staff",
        "is_active",
        "language",
    )
    search_fields = ("last_name", "first_name", "email", "registration_number")
    search_help_text = _("Name, e-mail address or registration number")
    ordering = ("-date_joined", "-pk")
    list_per_page = 50
    show_full_result_count = False
    filter_horizontal = ("groups", "user_permissions")
    actions = ("verify", "suspend", "end_access", "remove_second_factor")
    readonly_fields = (
        "verification",
        "renamed_from",
        "verified_at",
        "verified_by",
        "verified_until",
        "email_confirmed",
        "date_joined",
        "last_login",
    )
    person = ("email", "first_name", "last_name", "registration_number", "language")
    fieldsets = (
        (None, {"fields": person}),
        (
            _("Verification"),
            {
                "fields": (
                    "verification",
                    "renamed_from",
                    "verified_at",
                    "verified_by",
                    "verified_until",
                    "email_confirmed",
                )
            },
        ),
        (_("Rights"), {"fields": ("is_active", *RIGHTS)}),
        (_("Dates"), {"fields": ("date_joined", "last_login")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (*person, "is_staff"),
                "description": _(
                    "The person gets a mail that tells how to choose a password. A doctor who "
                    "is entered here counts as verified; an administrator has no registration "
                    "number."
                ),
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Doctor]:
        confirmed = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True)
        return super().get_queryset(request).annotate(_email_confirmed=Exists(confirmed))

    @admin.display(description=_("e-mail confirmed"), boolean=True)
    def email_confirmed(self, doctor: Doctor) -> bool:
        return doctor._email_confirmed

    def get_fieldsets(self, request: HttpRequest, obj=None):
        return self.add_fieldsets if obj is None else self.fieldsets

    def get_readonly_fields(self, request: HttpRequest, obj=None):
        """Only who has every right gives rights."""
        if request.user.is_superuser:
            return self.readonly_fields
        return (*self.readonly_fields, *RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj=None) -> bool:
        if obj is not None and obj.is_staff and not request.user.is_superuser:
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj=None) -> bool:
        return False  # What an account did stays recorded: suspend it or close it.

    def log_addition(self, request: HttpRequest, obj: Doctor, message):
        return _by_key(super().log_addition(request, obj, message))

    def log_change(self, request: HttpRequest, obj: Doctor, message):
        return _by_key(super().log_change(request, obj, message))

    def changeform_view(self, request: HttpRequest, *args, **kwargs):
        try:
            return super().changeform_view(request, *args, **kwargs)
        except LastAdministratorError as error:  # since the form was checked
            self.message_user(request, str(error), messages.ERROR)
            return redirect(request.get_full_path())

    def save_related(self, request: HttpRequest, form, formsets, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if change and {"groups", "user_permissions"} & set(form.changed_data):
            _rights_record(request, form.instance, "update")

    def save_model(self, request: HttpRequest, obj: Doctor, form, change: bool) -> None:
        if set(RIGHTS) & set(form.changed_data):
            reauthentication_check(request)
        if not change:
            reauthentication_check(request)
            services.doctor_invite(doctor=obj, by=request.user, request=request)
            return
        changes = {
            name: form.cleaned_data[name] for name in form.changed_data if name in services.EDITABLE
        }
        if changes:
            reauthentication_check(request)
            services.doctor_update(doctor=obj, by=request.user, request=request, **changes)

    @admin.action(description=_("Verify the selected doctors"), permissions=["change"])
    @reauthenticated
    def verify(self, request: HttpRequest, queryset: QuerySet[Doctor]) -> None:
        self._each(request, queryset, doctor_verify)

    @admin.action(description=_("Suspend the selected doctors"), permissions=["change"])
    @reauthenticated
    def suspend(self, request: HttpRequest, queryset: QuerySet[Doctor]) -> None:
        self._each(request, queryset, _suspend)

    @admin.action(
        description=_("End every session and token of the selected accounts"),
        permissions=["change"],
    )
    @reauthenticated
    def end_access(self, request: HttpRequest, queryset: QuerySet[Doctor]) -> None:
        self._each(request, queryset, services.doctor_access_end)

    @admin.action(
        description=_("Take the second factor away from the selected accounts"),
        permissions=["change"],
    )
    @reauthenticated
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[Doctor]) -> None:
        self._each(request, queryset, second_factor_remove)

    def _each(self, request: HttpRequest, queryset: QuerySet[Doctor], service) -> None:
        done = 0
        for doctor in queryset.order_by("pk"):
            if not self.has_change_permission(request, doctor):
                text = _("%(doctor)s: not yours to change.") % {"doctor": doctor}
                self.message_user(request, text, messages.ERROR)
                continue
            try:
                service(doctor=doctor, by=request.user, request=request)
            except CodedError as error:
                text = _("%(doctor)s: %(sentence)s") % {"doctor": doctor, "sentence": error}
                self.message_user(request, text, messages.ERROR)
            else:
                done += 1
        if done:
            text = ngettext("%(count)s account changed.", "%(count)s accounts changed.", done)
            self.message_user(request, text % {"count": done}, messages.SUCCESS)
