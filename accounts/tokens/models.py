"""API tokens."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from pneumoniapp.ids import uuid7
from pneumoniapp.scopes import Scope

from .networks import networks_normalize
from .text import HINT_LENGTH


class ApiToken(models.Model):
    """A token by which a program acts for ``owner``, a doctor or a program's account.

    - Only ``digest`` is kept of its text (``accounts.tokens.text``), and ``hint``, its first
      characters.
    - ``scopes`` are values of ``Scope``; ``networks`` are where it may be used from, empty:
      from everywhere.
    - ``created_by`` made it; of a program's token that is an owner of the practice.
    - ``last_used_at`` and ``last_used_from`` are written once a minute at most.
    - A revoked token is deleted: the record of access keeps what was done.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        on_delete=models.CASCADE,
        related_name="api_tokens",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("made by"),
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    name = models.CharField(_("name"), max_length=100)
    hint = models.CharField(_("begins with"), max_length=HINT_LENGTH, editable=False)
    digest = models.CharField(max_length=128, unique=True, editable=False)
    scopes = models.JSONField(_("scopes"))
    networks = models.JSONField(_("addresses"), default=list, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    expires_at = models.DateTimeField(_("ends"), db_index=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    last_used_from = models.GenericIPAddressField(_("last used from"), null=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    def clean_fields(self, exclude=None) -> None:
        """Give each value its one spelling, then check it; all that is wrong is told at once."""
        wrong = {}
        self.name = " ".join(self.name.split())
        if not self.name.isprintable():
            wrong["name"] = ValidationError(_("Use letters, digits and signs only."), "invalid")
        if not self.scopes or set(self.scopes) - set(Scope.values):
            wrong["scopes"] = ValidationError(_("Choose what the token may do."), "required")
        else:
            self.scopes = [scope for scope in Scope.values if scope in self.scopes]
        try:
            self.networks = networks_normalize(self.networks)
        except ValidationError as error:
            wrong["networks"] = error
        try:
            super().clean_fields(exclude={*(exclude or ()), *wrong})
        except ValidationError as error:
            wrong = error.update_error_dict(wrong)
        if wrong:
            raise ValidationError(wrong)

    @property
    def has_ended(self) -> bool:
        """From the very moment of ``expires_at`` on."""
        return self.expires_at <= timezone.now()
