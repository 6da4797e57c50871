"""Patients for tests."""

import datetime as dt

import factory

from patients.models import Patient
from tests.accounts.factories import DoctorFactory


class PatientFactory(factory.django.DjangoModelFactory):
    """A patient of a verified doctor; ``owner`` may be given."""

    class Meta:
        model = Patient

    owner = factory.SubFactory(DoctorFactory)
    identifier = factory.Sequence(lambda n: f"IPP-{n:06d}")
    sex = factory.Iterator(["F", "M"])
    birth_date = factory.Sequence(lambda n: dt.date(1950, 1, 1) + dt.timedelta(days=97 * (n % 200)))
