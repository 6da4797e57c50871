"""Alive, ready, and why not."""

import threading
import time

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.utils import timezone

from operations import checks, health
from operations.models import Heartbeat


@pytest.fixture(autouse=True)
def _only_own_checks(monkeypatch):
    """No check but those of the test; nothing remembered."""
    monkeypatch.setattr(health, "_entries", {})
    monkeypatch.setattr(health, "_last", [])


def test_live_looks_at_nothing(client):
    health.register("broken", lambda: 1 / 0)
    response = client.get("/health/live")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_when_every_check_passes(client, db):
    health.register("a", dict)
    health.register("b", lambda: {"queued": 3})
    response = client.get("/health/ready")
    assert response.status_code == 200
    answer = response.json()
    assert answer["status"] == "ready"
    assert answer["checks"]["b"].items() >= {"ok": True, "queued": 3}.items()
    assert set(answer["checks"]["a"]) == {"ok", "milliseconds"}


def test_not_ready_when_one_fails_and_says_which(client, db):
    health.register("good", dict)
    health.register("late", lambda: {"ok": False, "seconds": 99})
    response = client.get("/health/ready")
    assert response.status_code == 503
    answer = response.json()
    assert answer["status"] == "not_ready"
    assert answer["checks"]["good"]["ok"] is True
    assert answer["checks"]["late"]["seconds"] == 99


def test_an_exception_is_a_no_and_its_text_stays_inside(client, db):
    def fail():
        raise RuntimeError("password=geheim")

    health.register("broken", fail)
    response = client.get("/health/ready")
    assert response.status_code == 503
    assert response.json()["checks"]["broken"]["ok"] is False
    assert "geheim" not in response.content.decode()


def test_a_check_that_hangs_is_a_timeout_and_is_not_started_twice(db):
    release, calls = threading.Event(), []

    def hang():
        calls.append(1)
        release.wait(20)
        return {}

    health.register("hanging", hang)
    try:
        for _ in range(2):
            started = time.monotonic()
            passed, answers = health.run_checks(limit=0.5)
            assert time.monotonic() - started < 10
            assert not passed
            assert answers["hanging"] == {"ok": False, "timeout": True}
        assert len(calls) == 1
    finally:
        release.set()


def test_many_questions_are_one_look(client, db):
    calls = []
    health.register("counted", lambda: calls.append(1) or {})
    for _ in range(5):
        client.get("/health/ready")
    assert len(calls) == 1


@pytest.mark.parametrize("address", ["/health/live", "/health/ready", "/metrics"])
def test_only_reading(client, db, address):
    assert client.post(address).status_code == 405


def test_the_database_answers(db):
    assert checks.database_answers() == {}


def test_a_broker_that_is_there_and_one_that_is_not(settings, tmp_path):
    from pneumoniapp.celery import app

    assert checks.broker_answers() == {}  # the tests' own, in memory
    wanted = app.conf.broker_url
    app.conf.broker_url = f"redis+socket://{tmp_path}/nobody.sock"
    try:
        with pytest.raises(Exception, match=r"No such file"):
            checks.broker_answers()
    finally:
        app.conf.broker_url = wanted


def test_the_storage_keeps_and_is_left_clean(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    assert checks.storage_keeps() == {"ok": True}
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_storage_that_cannot_be_written_is_no_storage(settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.MEDIA_ROOT = str(tmp_path / "file")
    with pytest.raises(OSError, match="file"):
        checks.storage_keeps()


class FullDisk(FileSystemStorage):
    """Takes the first byte and then no more."""

    def _save(self, name, content):
        super()._save(name, ContentFile(b"1"))
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_asked_often_and_not_littered(settings, tmp_path):
    settings.MEDIA_ROOT = str(tmp_path)
    settings.STORAGES = settings.STORAGES | {"default": {"BACKEND": f"{__name__}.FullDisk"}}
    with pytest.raises(OSError, match="No space left"):
        checks.storage_keeps()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_workers_are_there_when_every_queue_was_heard_of_lately(db, settings):
    settings.HEARTBEAT_LIMIT = 60
    assert checks.workers_listen() == {"ok": False, "seconds_ago": {}}
    now = timezone.now()
    Heartbeat.objects.create(queue="inference", at=now)
    assert not checks.workers_listen()["ok"]
    Heartbeat.objects.create(queue="default", at=now - timezone.timedelta(seconds=59))
    assert checks.workers_listen()["ok"]
    Heartbeat.objects.filter(queue="default").update(at=now - timezone.timedelta(seconds=62))
    answer = checks.workers_listen()
    assert not answer["ok"]
    assert answer["seconds_ago"]["default"] >= 62
