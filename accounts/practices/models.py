"""Practices, who belongs to them in which role and since when, and who is asked to join."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pneumoniapp.ids import uuid7


class Role(models.TextChoices):
    OWNER = "owner", _("owner")
    DOCTOR = "doctor", _("doctor")
    READER = "reader", _("reader")


# Roles that may change what the practice shares: upload, judge, have it read again, correct.
CHANGING = (Role.OWNER, Role.DOCTOR)


class Practice(models.Model):
    """Doctors who share patients.

    ``closed_at`` is when the last member left; it is not opened again.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(_("name"), max_length=120)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("practice")
        verbose_name_plural = _("practices")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class PracticeMembership(models.Model):
    """One doctor in one practice in one role, from ``joined_at`` to ``ended_at``.

    - Rows are kept as evidence: another role ends the row and begins another one.
    - ``is_open`` is ``True`` until the end, then ``NULL``: a doctor is in one practice at most.
    - ``Doctor.practice`` and ``Doctor.practice_role`` repeat the open row, so that each request
      knows them from the account's row, which it reads anyway. Only
      ``accounts.practices.services`` writes either.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    practice = models.ForeignKey(
        Practice, verbose_name=_("practice"), on_delete=models.PROTECT, related_name="memberships"
    )
    doctor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        on_delete=models.PROTECT,
        related_name="memberships",
    )
    role = models.CharField(_("role"), max_length=8, choices=Role.choices)
    joined_at = models.DateTimeField(_("from"), default=timezone.now, editable=False)
    ended_at = models.DateTimeField(_("until"), null=True, blank=True, editable=False)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("ended by"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
    )
    is_open = models.BooleanField(null=True, default=True, editable=False)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ["joined_at", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["doctor", "is_open"], name="membership_open_unique")
        ]
        indexes = [models.Index(fields=["practice", "is_open"], name="membership_by_practice")]

    def __str__(self) -> str:
        return str(self.pk)


class PracticeInvitation(models.Model):
    """A doctor asked to join a practice in a role, until it is answered, withdrawn or too old.

    - ``address`` is the e-mail address that was asked, and ``doctor`` who has it: nobody, where
      no doctor who may practise had it then. That is shown to no one.
    - ``is_open`` as in :class:`PracticeMembership`; one open row for an address.
    """

    class Outcome(models.TextChoices):
        WAITING = "waiting", _("waits for an answer")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    practice = models.ForeignKey(
        Practice, verbose_name=_("practice"), on_delete=models.PROTECT, related_name="invitations"
    )
    address = models.CharField(_("asked of"), max_length=254)
    doctor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("doctor"),
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="practice_invitations",
    )
    role = models.CharField(_("role"), max_length=8, choices=Role.choices)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("invited by"),
        on_delete=models.PROTECT,
        related_name="+",
    )
    invited_at = models.DateTimeField(_("invited at"), default=timezone.now, editable=False)
    outcome = models.CharField(
        _("outcome"), max_length=16, choices=Outcome.choices, default=Outcome.WAITING
    )
    answered_at = models.DateTimeField(_("answered at"), null=True, blank=True, editable=False)
    is_open = models.BooleanField(null=True, default=True, editable=False)

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        ordering = ["-invited_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["practice", "address", "is_open"], name="invitation_open_unique"
            )
        ]
        indexes = [models.Index(fields=["doctor", "is_open"], name="invitation_by_doctor")]

    def __str__(self) -> str:
        return str(self.pk)
