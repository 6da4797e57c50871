"""Who may get which radiograph."""

import pytest

from radiology.models import Radiograph
from radiology.selectors import radiograph_get
from tests.accounts.factories import AdminFactory

from .factories import RadiographFactory

pytestmark = pytest.mark.django_db


def test_its_doctor_gets_it_with_its_patient(doctor, django_assert_num_queries):
    radiograph = RadiographFactory(patient__owner=doctor)
    with django_assert_num_queries(1):
        found = radiograph_get(doctor, radiograph.pk)
        assert found.patient.owner_id == doctor.pk


def test_nobody_else_does(doctor, other_doctor, settings):
    settings.DOCTOR_VERIFICATION_REQUIRED = True
    radiograph = RadiographFactory(patient__owner=doctor)
    doctor.verification = "suspended"
    for user in (other_doctor, doctor, AdminFactory(is_superuser=False)):
        with pytest.raises(Radiograph.DoesNotExist):
            radiograph_get(user, radiograph.pk)
    assert radiograph_get(AdminFactory(), radiograph.pk) == radiograph
