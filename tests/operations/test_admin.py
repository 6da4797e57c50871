"""The record of access in the admin: to be read, and nothing else."""

import pytest
from django.urls import reverse

from operations.models import AccessEvent
from operations.readonly_admin import CappedPaginator
from operations.services import access_record
from tests.patients.factories import PatientFactory

LIST = reverse("admin:operations_accessevent_changelist")


@pytest.fixture
def event(doctor):
    access_record(actor=doctor, action="create", obj=PatientFactory(owner=doctor))
    return AccessEvent.objects.get()


def test_an_administrator_reads_it(admin_client, event, doctor):
    page = admin_client.get(LIST)
    assert page.status_code == 200
    assert event.object_id in page.content.decode()
    assert admin_client.get(LIST, {"q": doctor.email}).context["cl"].result_count == 1
    assert admin_client.get(LIST, {"q": event.object_id}).context["cl"].result_count == 1
    assert admin_client.get(LIST, {"q": "nobody@example.org"}).context["cl"].result_count == 0


def test_one_access_says_when_it_was(admin_client, event):
    page = admin_client.get(reverse("admin:operations_accessevent_change", args=[event.pk]))
    assert "field-at" in page.text
    assert event.object_id in page.text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"action__exact": "create"}, 1),
        ({"action__exact": "read"}, 0),
        ({"object_type": "patients.patient"}, 1),
        ({"object_type": "inference.analysis"}, 0),
    ],
)
def test_filters(admin_client, event, query, count):
    assert admin_client.get(LIST, query).context["cl"].result_count == count


def test_nobody_changes_it(admin_client, event):
    change = reverse("admin:operations_accessevent_change", args=[event.pk])
    delete = reverse("admin:operations_accessevent_delete", args=[event.pk])
    assert admin_client.get(reverse("admin:operations_accessevent_add")).status_code == 403
    assert admin_client.post(change, {"action": "read"}).status_code == 403
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    admin_client.post(
        LIST, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"}
    )
    assert AccessEvent.objects.get(pk=event.pk).action == "create"


def test_no_doctor_reaches_it(doctor_client, event):
    assert doctor_client.get(LIST).status_code != 200


def test_queries_do_not_grow_with_the_list(admin_client, doctor, django_assert_num_queries):
    for _ in range(5):
        access_record(actor=doctor, action="update", object_type="x.y", object_id="1")
    admin_client.get(LIST)
    with django_assert_num_queries(5):  # session, account, count, page
        admin_client.get(LIST)


def test_no_more_than_the_reach_is_counted(db, django_assert_num_queries):
    rows = AccessEvent.objects.order_by("-pk")
    with django_assert_num_queries(1) as captured:
        assert CappedPaginator(rows, 50).count == 0
    assert f"LIMIT {CappedPaginator.MOST}" in captured[0]["sql"]
