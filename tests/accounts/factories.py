"""Doctors and administrators for tests."""

import factory
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import make_password

from accounts.models import Doctor
from accounts.validators import luhn_is_valid

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
