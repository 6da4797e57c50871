"""Numbers for Prometheus, and who may read them."""

import os
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.core import checks
from django.utils import timezone

from inference.models import Analysis
from operations.services import heartbeat_record
from pneumoniapp.settings.environment import networks
from tests.inference.factories import AnalysisFactory


def values(response) -> dict[str, float]:
    lines = response.content.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if line and not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


@pytest.mark.parametrize(
    ("token", "headers", "remote", "status"),
    [
        ("", {}, "127.0.0.1", 200),
        ("", {}, "::1", 200),
        ("", {}, "192.0.2.1", 404),
        ("", {}, "", 404),
        ("", {"X-Forwarded-For": "192.0.2.1"}, "127.0.0.1", 404),
        ("", {"X-Forwarded-For": "127.0.0.1"}, "127.0.0.1", 404),
        ("", {"X-Forwarded-Proto": "https"}, "127.0.0.1", 404),
        ("", {"X-Real-IP": "192.0.2.1"}, "127.0.0.1", 404),
        ("", {"Forwarded": "for=192.0.2.1"}, "127.0.0.1", 404),
        ("", {"Via": "1.1 proxy"}, "::1", 404),
        ("geheim", {"Authorization": "Bearer geheim", "Via": "1.1 p"}, "127.0.0.1", 200),
        ("geheim", {}, "127.0.0.1", 404),
        ("geheim", {"Authorization": "Bearer falsch"}, "127.0.0.1", 404),
        ("geheim", {"Authorization": "Bearer geheim"}, "192.0.2.1", 200),
    ],
)
def test_who_may_read(client, db, settings, token, headers, remote, status):
    settings.METRICS_TOKEN = token
    response = client.get("/metrics", headers=headers, REMOTE_ADDR=remote)
    assert response.status_code == status
    assert ("django_http" in response.content.decode()) is (status == 200)


@pytest.mark.parametrize("trusted", [[], ["127.0.0.0/8"]])
def test_a_trusted_proxy_reads_no_metrics_for_others(client, db, settings, trusted):
    settings.TRUSTED_PROXIES = networks(trusted)
    for hop in ("127.0.0.1", "192.0.2.1"):
        headers = {"X-Forwarded-For": hop}
        assert client.get("/metrics", headers=headers, REMOTE_ADDR="127.0.0.1").status_code == 404


@pytest.mark.parametrize(("token", "found"), [("", ["operations.W001"]), ("geheim", [])])
def test_production_is_warned_that_metrics_have_no_token(settings, token, found):
    settings.METRICS_TOKEN = token
    messages = checks.run_checks(tags=["security"], include_deployment_checks=True)
    assert [message.id for message in messages if message.id == "operations.W001"] == found
    assert not [m for m in checks.run_checks(tags=["security"]) if m.id.startswith("operations")]


def test_analyses_queue_and_workers(client, db):
    now = timezone.now()
    AnalysisFactory(queued=True, queued_at=now - timedelta(seconds=50))
    AnalysisFactory(failed=True)
    for seconds in (1, 2, 3, 10):
        AnalysisFactory(
            queued_at=now - timedelta(minutes=1),
            finished_at=now - timedelta(minutes=1) + timedelta(seconds=seconds),
        )
    AnalysisFactory(queued_at=now - timedelta(hours=1), finished_at=now)
    heartbeat_record(queue="inference")
    found = values(client.get("/metrics"))
    assert found['pneumoniapp_analyses{status="queued"}'] == 1
    assert found['pneumoniapp_analyses{status="done"}'] == 5
    assert found['pneumoniapp_analyses{status="failed"}'] == 1
    assert found['pneumoniapp_analyses{status="running"}'] == 0
    assert 50 <= found["pneumoniapp_oldest_queued_seconds"] < 80
    assert found["pneumoniapp_readings_recent"] == 4
    assert found['pneumoniapp_reading_seconds{quantile="0.5"}'] == 3
    assert found['pneumoniapp_reading_seconds{quantile="1.0"}'] == 10
    assert 0 <= found['pneumoniapp_worker_heartbeat_age_seconds{queue="inference"}'] < 30


def test_an_empty_installation(client, db):
    found = values(client.get("/metrics"))
    assert found["pneumoniapp_oldest_queued_seconds"] == 0
    assert found["pneumoniapp_readings_recent"] == 0
    assert set(Analysis.Status.values) == {
        name.split('"')[1] for name in found if name.startswith("pneumoniapp_analyses{")
    }


def test_a_scrape_costs_the_same_however_much_there_is(client, db, django_assert_num_queries):
    AnalysisFactory.create_batch(3)
    with django_assert_num_queries(4):
        client.get("/metrics")


def test_requests_of_every_process_are_in_one_answer(tmp_path):
    """Two processes count a request each; a third one answers with both."""
    program = (
        "import django, sys; django.setup(); from django.test import Client\n"
        "from operations.metrics import exposition, _sources; _sources.clear()\n"
        "Client().get('/health/live')\n"
        "sys.stdout.buffer.write(exposition())"
    )
    environment = os.environ | {
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.test",
    }
    for _ in range(2):
        answer = subprocess.run(
            [sys.executable, "-c", program],
            cwd=django_settings.BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert 'django_http_requests_total_by_method_total{method="GET"} 2.0' in answer
