"""Doctors and administrators for tests."""

from datetime import timedelta

import factory
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password
from django.utils import timezone

from accounts.models import ApiToken, Doctor, Practice, PracticeMembership
from accounts.practices.services import invitation_accept, invitation_create, member_end
from accounts.tokens.text import token_digest, token_text
from accounts.validators import luhn_is_valid
from pneumoniapp.scopes import Scope

PASSWORD = "correct horse battery"


def rpps(n: int) -> str:
    """The ``n``-th valid RPPS number: 10 digits and their Luhn key."""
    stem = f"10{n:08d}"
    return next(stem + key for key in "0123456789" if luhn_is_valid(stem + key))


class DoctorFactory(factory.django.DjangoModelFactory):
    """A verified doctor with a confirmed e-mail address and the password ``PASSWORD``.

    Traits: ``pending``, ``suspended``. ``password=`` takes another password in the clear,
    ``email_confirmed=False`` leaves the address to be confirmed.
    """

    class Meta:
        model = Doctor
        skip_postgeneration_save = True

    class Params:
        pending = factory.Trait(verification=Doctor.Verification.PENDING)
        suspended = factory.Trait(verification=Doctor.Verification.SUSPENDED)

    email = factory.Sequence(lambda n: f"doctor{n}@example.org")
    first_name = "Camille"
    last_name = factory.Sequence(lambda n: "Martin" + "abcdefghij"[n % 10])
    registration_number = factory.Sequence(rpps)
    verification = Doctor.Verification.VERIFIED
    password = factory.Transformer(PASSWORD, transform=make_password)

    @factory.post_generation
    def email_confirmed(self, create, extracted, **kwargs):
        if create:
            EmailAddress.objects.create(
                user=self, email=self.email, primary=True, verified=extracted is not False
            )


class AdminFactory(DoctorFactory):
    """An administrator with every permission; no registration number."""

    email = factory.Sequence(lambda n: f"admin{n}@example.org")
    last_name = "Admin"
    registration_number = None
    verification = Doctor.Verification.PENDING
    is_staff = True
    is_superuser = True


def practice_of(**members: Doctor) -> Practice:
    """A practice with these members by role (``former`` has left); nothing is recorded."""
    practice = Practice.objects.create(name="Practice")
    for role, doctor in members.items():
        ended = {"is_open": None, "ended_at": timezone.now()} if role == "former" else {}
        held = "doctor" if role == "former" else role
        PracticeMembership.objects.create(practice=practice, doctor=doctor, role=held, **ended)
        if role != "former":
            doctor.practice, doctor.practice_role = practice, role
            doctor.save(update_fields=["practice", "practice_role"])
    return practice


def joined(practice, doctor: Doctor, role: str = "doctor") -> Doctor:
    """``doctor`` as a member of ``practice``, invited by its longest owner."""
    owner = practice.memberships.filter(role="owner", is_open=True).first().doctor
    invitation = invitation_create(practice=practice, by=owner, address=doctor.email, role=role)
    invitation_accept(invitation=invitation, by=doctor)
    doctor.refresh_from_db()
    return doctor


def left(doctor: Doctor) -> Doctor:
    """``doctor`` after leaving their practice."""
    member_end(membership=doctor.memberships.get(is_open=True), by=doctor)
    doctor.refresh_from_db()
    return doctor


def token_for(owner: Doctor, **values) -> str:
    """The text of a token of ``owner`` that may do everything, unless ``values`` say otherwise;
    nothing is recorded or mailed. A program's is made by an owner of its practice."""
    text = token_text()
    if owner.is_service:
        makers = Doctor.objects.filter(practice=owner.practice, practice_role="owner")
        values.setdefault("created_by", makers.first())
    facts = {"name": "Program", "scopes": list(Scope.values)} | values
    facts.setdefault("expires_at", timezone.now() + timedelta(days=1))
    ApiToken.objects.create(owner=owner, hint=text[:12], digest=token_digest(text), **facts)
    return text
