"""Doctors: the people who sign in. See the fact sheet in ``Doctor``."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .practices.models import (
    CHANGING,
    Practice,
    PracticeInvitation,
    PracticeMembership,
    Role,
)
from .tokens.models import ApiToken
from .validators import (
    email_normalize,
    name_normalize,
    registration_number_normalize,
    validate_ascii_email,
    validate_person_name,
    validate_registration_number,
)
from .verification.models import (
    DirectoryEdition,
    DirectoryPerson,
    RegistrationProof,
    Verification,
    VerificationStep,
)

__all__ = [
    "ApiToken",
    "DirectoryEdition",
    "DirectoryPerson",
    "Doctor",
    "Practice",
    "PracticeInvitation",
    "PracticeMembership",
    "RegistrationProof",
    "Verification",
    "VerificationStep",
]


class DoctorManager(BaseUserManager):
    """Makes doctors whose e-mail address always has its one spelling."""

    use_in_migrations = True

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        return email_normalize(email or "")

    def get_by_natural_key(self, username: str) -> Doctor:
        return self.get(email=self.normalize_email(username))

    def create_user(self, email: str, password: str | None = None, **fields) -> Doctor:
        doctor = self.model(email=self.normalize_email(email), **fields)
        doctor.set_password(password)
        doctor.save(using=self._db)
        return doctor

    def create_superuser(self, email: str, password: str | None = None, **fields) -> Doctor:
        fields |= {"is_staff": True, "is_superuser": True}
        fields.setdefault("registration_number", None)
        administrator = self.create_user(email, password, **fields)
        # Made at the machine's own console: nobody has to confirm that address by mail.
        administrator.emailaddress_set.create(
            email=administrator.email, verified=True, primary=True
        )
        return administrator


class Doctor(AbstractBaseUser, PermissionsMixin):
    """A registered doctor, or an administrator (``is_staff``).

    - Signs in by ``email`` (unique, lower case).
    - A doctor has a unique official ``registration_number``; an administrator has none.
    - ``verification`` is moved by ``accounts.verification.services`` alone; it holds up to
      and with the day ``verified_until``, where there is one.
    - ``renamed_from``: the name under which a doctor was verified who has changed it since,
      until an administrator has looked again.
    - Whether a doctor may work with patients is :attr:`may_practise`, nothing else.
    - ``mailed_until`` is up to when uploads have been told of by mail.
    - ``read_first`` keeps readings from the doctor until they have judged; it was turned on
      at ``read_first_since``, and what was read earlier may have been seen.
    - ``practice`` and ``practice_role`` repeat the open ``PracticeMembership``, which
      ``accounts.practices.services`` alone writes.
    - ``is_service``: a program of the practice, not a person (``accounts.practices.programs``):
      no password, no page, tokens alone.
    - ``emergency_unseen``: a colleague opened a patient in an emergency, and this doctor, whom
      it concerns, has not noted it yet (``patients.emergency``).
    - ``emergency_until``: when the last emergency access that this doctor opened is over at the
      latest; without, no rule and no record asks for any.
    - Counting ``session_generation`` up ends every session of the account at once.
    """

    Verification = Verification

    email = models.EmailField(
        _("e-mail address"),
        unique=True,
        validators=[validate_ascii_email],
        error_messages={"unique": _("An account with this e-mail address exists already.")},
    )
    first_name = models.CharField(
        _("first name"), max_length=100, validators=[validate_person_name]
    )
    last_name = models.CharField(_("last name"), max_length=100, validators=[validate_person_name])
    registration_number = models.CharField(
        _("registration number"),
        max_length=32,
        unique=True,
        null=True,
        blank=True,
        validators=[validate_registration_number],
        error_messages={
            "unique": _(
                "An account with this registration number exists already. If it is not yours, "
                "tell the administrators."
            )
        },
    )
    verification = models.CharField(
        _("verification"),
        max_length=16,
        choices=Verification.choices,
        default=Verification.PENDING,
        db_index=True,
    )
    verified_at = models.DateTimeField(_("verified at"), null=True, blank=True)
    verified_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("verified by"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    verified_until = models.DateField(_("verified until"), null=True, blank=True)
    expiry_told = models.BooleanField(default=False, editable=False)
    renamed_from = models.CharField(
        _("verified under the name"), max_length=201, blank=True, editable=False
    )
    language = models.CharField(
        _("language"), max_length=8, choices=settings.LANGUAGES, default=settings.LANGUAGE_CODE
    )
    mail_when_read = models.BooleanField(
        _("e-mail when my radiographs have been read"),
        default=False,
        help_text=_(
            "One mail when all that you sent have been read. It gives numbers only, nothing of "
            "a patient."
        ),
    )
    mailed_until = models.DateTimeField(null=True, blank=True, editable=False)
    read_first = models.BooleanField(
        _("read first, reveal after"),
        default=False,
        help_text=_(
            "What the model says of a radiograph is kept from you until you have recorded your "
            "own class. So it is known how often you and the model agree when neither has heard "
            "the other."
        ),
    )
    read_first_since = models.DateTimeField(null=True, blank=True, editable=False)
    practice = models.ForeignKey(
        Practice,
        verbose_name=_("practice"),
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="doctors",
    )
    practice_role = models.CharField(
        _("role in the practice"), max_length=8, choices=Role.choices, blank=True, editable=False
    )
    is_service = models.BooleanField(_("service account"), default=False, editable=False)
    emergency_unseen = models.BooleanField(default=False, editable=False)
    emergency_until = models.DateTimeField(null=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("administrator"), default=False)
    date_joined = models.DateTimeField(_("joined"), default=timezone.now, db_index=True)
    session_generation = models.PositiveIntegerField(default=0, editable=False)

    objects = DoctorManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["first_name", "last_name"]

    class Meta:
        verbose_name = _("doctor")
        verbose_name_plural = _("doctors")
        permissions = [("export_doctor", _("Can export all data of a doctor"))]
        ordering = ["last_name", "first_name", "pk"]
        indexes = [models.Index(fields=["last_name", "first_name"])]

    def __str__(self) -> str:
        return self.get_full_name() or f"#{self.pk}"

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name

    def clean_fields(self, exclude=None) -> None:
        """Give each value its one spelling, then check it."""
        self.email = email_normalize(self.email or "")
        self.first_name = name_normalize(self.first_name or "")
        self.last_name = name_normalize(self.last_name or "")
        if self.registration_number is not None:
            number = registration_number_normalize(self.registration_number)
            self.registration_number = number or None
        super().clean_fields(exclude=exclude)

    def get_session_auth_hash(self) -> str:
        return f"{super().get_session_auth_hash()}:{self.session_generation}"

    def get_session_auth_fallback_hash(self):
        for value in super().get_session_auth_fallback_hash():
            yield f"{value}:{self.session_generation}"

    @property
    def may_practise(self) -> bool:
        """Whether this account may work with patients now."""
        if self.is_service:
            return self.is_active and self.practice_id is not None
        if not self.is_active or not self.registration_number:
            return False
        if self.verification == self.Verification.PENDING:
            return not settings.DOCTOR_VERIFICATION_REQUIRED
        return self.verification == self.Verification.VERIFIED and not self.term_is_over

    @property
    def must_use_second_factor(self) -> bool:
        return self.is_staff and settings.MFA_REQUIRED_FOR_STAFF

    @property
    def practice_to_change(self) -> uuid.UUID | None:
        """The practice whose patients this doctor may treat, not only look at."""
        return self.practice_id if self.practice_role in CHANGING else None

    @property
    def owns_practice(self) -> bool:
        return self.practice_role == Role.OWNER

    @property
    def term_is_over(self) -> bool:
        return bool(self.verified_until) and self.verified_until < timezone.localdate()
