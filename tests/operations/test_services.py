"""The record of access: what is written, what isn't written twice."""

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.urls import ResolverMatch

from operations.models import AccessEvent, Heartbeat
from operations.services import access_record, heartbeat_record
from tests.patients.factories import PatientFactory


@pytest.fixture
def patient(doctor):
    return PatientFactory(owner=doctor)


def test_a_read_names_who_what_and_from_where(doctor, patient, rf):
    request = rf.get("/patients/?q=IPP-1", REMOTE_ADDR="192.0.2.7")
    request.resolver_match = ResolverMatch(lambda: None, (), {}, "detail", namespaces=["patients"])
    access_record(actor=doctor, action="read", obj=patient, request=request)
    event = AccessEvent.objects.get()
    assert (event.actor, event.action) == (doctor, "read")
    assert (event.object_type, event.object_id) == ("patients.patient", str(patient.pk))
    assert (event.route, event.address) == ("patients:detail", "192.0.2.7")


def test_the_same_read_is_recorded_once(doctor, patient):
    for _ in range(3):
        access_record(actor=doctor, action="read", obj=patient)
    assert AccessEvent.objects.count() == 1


def test_another_reader_or_object_is_recorded(doctor, other_doctor, patient):
    access_record(actor=doctor, action="read", obj=patient)
    access_record(actor=other_doctor, action="read", obj=patient)
    access_record(actor=doctor, action="read", obj=PatientFactory(owner=doctor))
    access_record(actor=doctor, action="read", object_type="patients.patient", object_id="list")
    assert AccessEvent.objects.count() == 4


def test_a_read_after_five_minutes_is_recorded_again(doctor, patient, time_machine):
    time_machine.move_to("2030-01-01T12:00:00Z", tick=False)
    access_record(actor=doctor, action="read", obj=patient)
    time_machine.move_to("2030-01-01T12:05:01Z", tick=False)
    access_record(actor=doctor, action="read", obj=patient)
    assert AccessEvent.objects.count() == 2


@pytest.mark.parametrize("action", ["create", "update", "delete"])
def test_every_write_is_recorded(doctor, patient, action):
    for _ in range(2):
        access_record(actor=doctor, action=action, obj=patient)
    assert AccessEvent.objects.filter(action=action).count() == 2


def test_nobody_is_recorded_as_nobody(patient):
    access_record(actor=AnonymousUser(), action="update", obj=patient)
    access_record(actor=None, action="update", obj=patient)
    assert [event.actor for event in AccessEvent.objects.all()] == [None, None]


def test_a_cache_that_is_down_hides_no_read(doctor, patient, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }
    access_record(actor=doctor, action="read", obj=patient)
    assert AccessEvent.objects.count() == 1


def test_a_read_that_could_not_be_written_is_written_next_time(doctor, patient, monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr(AccessEvent, "save", lambda *a, **k: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            access_record(actor=doctor, action="read", obj=patient)
    access_record(actor=doctor, action="read", obj=patient)
    assert AccessEvent.objects.count() == 1


@pytest.mark.parametrize(
    "wrong", [{"action": "look"}, {"action": "read", "object_type": ""}, {"object_id": ""}]
)
def test_what_makes_no_sense_is_refused(doctor, wrong):
    arguments = {"action": "read", "object_type": "patients.patient", "object_id": "1"} | wrong
    with pytest.raises(ValidationError):
        access_record(actor=doctor, **arguments)
    assert not AccessEvent.objects.exists()
    assert cache.get("access:1:patients.patient:1") is None


def test_a_heartbeat_replaces_the_one_before(db):
    heartbeat_record(queue="inference")
    first = Heartbeat.objects.get().at
    heartbeat_record(queue="inference")
    assert Heartbeat.objects.get().at >= first
