"""Radiographs in the admin: looked up by whole UIDs, never changed, each look recorded."""

import pytest
from django.urls import reverse

from operations.models import AccessEvent
from tests.accounts.factories import AdminFactory

from .factories import RadiographFactory

pytestmark = pytest.mark.django_db
LIST = "admin:radiology_radiograph_changelist"


def change(radiograph) -> str:
    return reverse("admin:radiology_radiograph_change", args=[radiograph.pk])


@pytest.mark.parametrize("field", ["pk", "sop_instance_uid", "study_instance_uid", "sha256"])
def test_a_radiograph_is_found_by_what_identifies_it(admin_client, field):
    wanted, other = RadiographFactory.create_batch(2)
    page = admin_client.get(reverse(LIST), {"q": str(getattr(wanted, field))}).content.decode()
    assert str(wanted.pk) in page
    assert str(other.pk) not in page


def test_it_is_shown_with_its_flags_and_never_changed(admin_client, admin):
    radiograph = RadiographFactory(warnings=[{"code": "view_unknown"}])
    page = admin_client.get(change(radiograph))
    assert page.status_code == 200
    text = page.content.decode()
    assert "does not say that this is a frontal view" in text
    assert radiograph.sop_instance_uid in text
    assert 'name="_save"' not in text
    assert AccessEvent.objects.filter(
        actor=admin, action="read", object_id=str(radiograph.pk)
    ).exists()
    assert admin_client.post(change(radiograph), {"modality": "CT"}).status_code == 403
    assert admin_client.get(reverse("admin:radiology_radiograph_add")).status_code == 403
    delete = reverse("admin:radiology_radiograph_delete", args=[radiograph.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


def test_an_administrator_without_the_permission_sees_none(client_for):
    radiograph = RadiographFactory()
    client = client_for(AdminFactory(is_superuser=False))
    assert client.get(reverse(LIST)).status_code == 403
    assert client.get(change(radiograph)).status_code in (302, 403)


def test_the_list_takes_as_many_queries_for_many_as_for_one(
    admin_client, django_assert_max_num_queries
):
    RadiographFactory.create_batch(3)
    admin_client.get(reverse(LIST))
    with django_assert_max_num_queries(6) as three:
        admin_client.get(reverse(LIST))
    RadiographFactory.create_batch(5)
    with django_assert_max_num_queries(6) as eight:
        admin_client.get(reverse(LIST))
    assert len(three) == len(eight)
