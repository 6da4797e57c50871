"""The record of access: what an event says, and that nothing of it changes or goes."""

import uuid

import pytest
from celery._state import _task_stack
from django.core.exceptions import ValidationError
from django.db.models import F

from operations import tasks
from operations.audit.digest import CONTENT, digest, digest_of, keys
from operations.errors import AuditAppendOnlyError
from operations.models import AccessEvent
from operations.services import access_record, access_record_many
from tests.inference.factories import AnalysisFactory
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def patient(doctor):
    return PatientFactory(owner=doctor)


def look(doctor, patient, **more) -> None:
    access_record(actor=doctor, action="read", obj=patient, **more)


# --- What an event says -------------------------------------------------------------------


def test_whose_data_it_is_is_known_of_everything_that_belongs_to_a_patient(doctor, patient):
    analysis = AnalysisFactory(radiograph__patient=patient)
    for obj in (patient, analysis.radiograph, analysis):
        look(doctor, obj)
    assert set(AccessEvent.objects.values_list("patient", flat=True)) == {str(patient.pk)}


def test_outside_of_a_request_it_is_a_command(doctor, patient):
    look(doctor, patient)
    assert AccessEvent.objects.get().channel == "command"


def test_inside_a_task_it_is_a_task(doctor, patient):
    _task_stack.push(tasks.heartbeat)  # what a worker does around the work
    try:
        look(doctor, patient)
    finally:
        _task_stack.pop()
    assert AccessEvent.objects.get().channel == "task"


@pytest.mark.parametrize(
    ("address", "channel"),
    [
        ("/patients/{patient}/", "page"),
        ("/radiographs/{radiograph}/image.dcm", "export"),
        ("/radiographs/{radiograph}/report.pdf", "export"),
        ("/radiographs/{radiograph}/", "page"),
    ],
)
def test_the_door_is_told(doctor_client, patient, address, channel):
    radiograph = AnalysisFactory(radiograph__patient=patient).radiograph
    doctor_client.get(address.format(patient=patient.pk, radiograph=radiograph.pk)).getvalue()
    event = AccessEvent.objects.get()
    assert (event.channel, event.patient) == (channel, str(patient.pk))


def test_the_admins_door_is_told(admin_client, patient):
    admin_client.get(f"/admin/patients/patient/{patient.pk}/change/")
    assert set(AccessEvent.objects.values_list("channel", flat=True)) == {"admin"}


def test_a_service_that_knows_no_request_is_recorded_with_route_and_address(doctor_client):
    body = {"identifier": "NEW-1", "sex": "F", "birth_date": "1960-01-01"}
    doctor_client.post("/patients/new/", body)
    event = AccessEvent.objects.get(action="create")
    assert (event.route, event.address) == ("patients:create", "127.0.0.1")
    assert event.request_id


def test_an_export_is_recorded_after_a_look(doctor, patient):
    look(doctor, patient)
    look(doctor, patient, channel="media")
    look(doctor, patient, channel="export")
    look(doctor, patient, channel="export")
    assert sorted(AccessEvent.objects.values_list("channel", flat=True)) == ["command", "export"]


def test_a_read_for_a_reason_is_always_recorded(doctor, patient):
    reason = f"break_glass:{uuid.uuid4()}"
    for _ in range(3):
        look(doctor, patient, reason=reason)
    assert AccessEvent.objects.filter(reason=reason).count() == 3


@pytest.mark.parametrize("typed", ["Mrs Example fell ill", "break_glass:Example", "DUPONT", "x"])
def test_a_reason_that_was_typed_is_refused(doctor, patient, typed):
    with pytest.raises(ValidationError):
        look(doctor, patient, reason=typed)
    assert not AccessEvent.objects.exists()


def test_a_list_is_one_event_with_its_kind_and_count(doctor_client, doctor):
    PatientFactory.create_batch(3, owner=doctor)
    doctor_client.get("/patients/")
    event = AccessEvent.objects.get()
    assert (event.object_type, event.object_id, event.count) == ("patients.patient", "list", 3)


def test_another_page_of_a_list_and_another_search_are_recorded(doctor_client, doctor):
    PatientFactory.create_batch(26, owner=doctor)
    after = doctor_client.get("/patients/").context["page"].after
    for _ in range(2):
        doctor_client.get("/patients/", {"after": after})
        for words in ("A", "B"):
            doctor_client.post("/patients/search/", {"q": words})
    assert AccessEvent.objects.filter(object_id="list").count() == 4


def test_what_was_sought_is_not_written_down(doctor_client):
    doctor_client.post("/patients/search/", {"q": "planted-marker"})
    doctor_client.get("/patients/", {"sort": "planted-marker"})
    for event in AccessEvent.objects.values():
        assert "planted-marker" not in str(event)


# --- Added to, never changed --------------------------------------------------------------


def refused() -> list:
    rows, one = AccessEvent.objects.all(), AccessEvent.objects.get()
    return [
        one.save,
        one.delete,
        lambda: one.save(force_insert=True),
        lambda: one.save(update_fields=["reason"]),
        lambda: rows.update(reason=""),
        lambda: rows.filter(pk=one.pk).update(count=F("count")),
        rows.delete,
        lambda: rows.bulk_update([one], ["reason"]),
        lambda: rows.update_or_create(pk=one.pk, defaults={"reason": ""}),
        lambda: AccessEvent._base_manager.all().delete(),
        lambda: AccessEvent._base_manager.update(reason=""),
        lambda: rows.bulk_create(
            [one], update_conflicts=True, update_fields=["reason"], unique_fields=["id"]
        ),
    ]


@pytest.mark.parametrize("number", range(12))
def test_nothing_of_it_changes_or_goes(doctor, patient, number):
    look(doctor, patient)
    before = list(AccessEvent.objects.values())
    with pytest.raises(AuditAppendOnlyError):
        refused()[number]()
    assert list(AccessEvent.objects.values()) == before


def test_whom_an_event_names_is_not_deleted(doctor, patient):
    from django.db.models import ProtectedError

    look(doctor, patient)
    patient.delete()
    with pytest.raises(ProtectedError):
        doctor.delete()
    assert AccessEvent.objects.count() == 1


@pytest.mark.parametrize("what", ["add/", "{pk}/delete/"])
def test_the_admin_offers_no_change(admin_client, doctor, patient, what):
    look(doctor, patient)
    event = AccessEvent.objects.get()
    base = "/admin/operations/accessevent/"
    assert admin_client.post(base + what.format(pk=event.pk), {"post": "yes"}).status_code == 403
    admin_client.post(f"{base}{event.pk}/change/", {"reason": "x"})
    admin_client.post(base, {"action": "delete_selected", "_selected_action": event.pk})
    assert AccessEvent.objects.filter(pk=event.pk, reason="").exists()


# --- The digest ---------------------------------------------------------------------------


def test_every_event_carries_the_keyed_hash_of_its_content(doctor, patient):
    look(doctor, patient, reason="adjudication")
    access_record_many(
        actor=doctor, action="read", object_type="x.y", objects=[("1", patient.pk), ("2", "")]
    )
    rows = AccessEvent.objects.values_list("digest", *CONTENT)
    assert len(rows) == 3
    for found, *content in rows:
        assert found == digest(keys()[0], tuple(content))


@pytest.mark.parametrize("name", [name for name in CONTENT if name != "actor_id"])
def test_every_column_is_in_the_hash(doctor, patient, name):
    look(doctor, patient)
    event = AccessEvent.objects.get()
    other = {"at": event.at.replace(year=1999), "count": 7}.get(name, "192.0.2.1")
    setattr(event, name, other)
    assert digest_of(event) != event.digest
    names = {field.attname for field in AccessEvent._meta.concrete_fields}
    assert names - set(CONTENT) == {"id", "digest", "position", "chain"}


def test_without_the_key_nobody_makes_one(doctor, patient, settings):
    look(doctor, patient)
    event = AccessEvent.objects.get()
    settings.AUDIT_KEYS = ["another key of thirty-two letters and more"]
    assert digest_of(event) != event.digest
