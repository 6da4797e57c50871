"""Hostile files against a real web server and a real worker: both are there afterwards."""

from __future__ import annotations

import datetime as dt
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import requests

from inference.models import Analysis
from operations.storage import storage_compare
from radiology.models import Radiograph
from tests.accounts.factories import token_for
from tests.hostile.corpus import CORPUS
from tests.hostile.mutants import mutant
from tests.hostile.sound import generated

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]

CLIENTS = 8
# Seconds by the clock for one answer while as many as that ask, on a busy machine.
LONG = 30
# What may stand on the row of a hostile file that was taken.
CODES = {"", "undecodable", "blank_image", "decoder_died", "decoding_too_costly"}


def hostile_files() -> list[bytes]:
    made = [make() for make, _web, _decoder in CORPUS.values()]
    mutants = [mutant(generated(), f"services:{number}").content for number in range(60)]
    # The merely huge ones take longer than this worker is allowed (conftest).
    return [content for content in (*made, *mutants) if len(content) < 1_000_000]


@pytest.mark.parametrize("installation", ["sqlite", "mariadb"], indirect=True)
def test_each_is_answered_and_nothing_falls_over(site):
    worker, web, _beat = site.worker(children=2), site.web(), site.beat()
    text = token_for(site.patient.owner)

    def send(content: bytes) -> tuple[float, int, str]:
        began = time.monotonic()
        answer = requests.post(
            f"http://127.0.0.1:{web.port}/api/v1/radiographs/",
            data={
                "patient": str(site.patient.pk),
                "acquired_on": "2024-01-15",
                # What a file says of the patient is not what is tried here.
                "confirm_mismatch": "true",
            },
            files={"file": content},
            headers={"Authorization": f"Token {text}"},
            timeout=2 * LONG,
        )
        return time.monotonic() - began, answer.status_code, answer.json().get("code", "")

    children = {child.pid for child in worker.children()}
    servers = {child.pid for child in psutil.Process(web.process.pid).children()}
    files = hostile_files()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(send, files))

    assert len(answers) == len(files) > 150
    assert max(took for took, _status, _code in answers) < LONG
    assert {status for _took, status, _code in answers} <= {200, 202, 400, 409}
    assert all(code for _took, status, code in answers if status >= 400)

    site.wait_until_finished(limit=120)
    states = Analysis.objects.values_list("status", "error_code")
    assert {status for status, _code in states} == {"done", "failed"}
    assert {code for _status, code in states} <= CODES
    found = storage_compare(older_than=dt.timedelta(0))
    assert not found.lost
    assert not found.orphans
    assert Radiograph.objects.count() == len(states)

    # Nobody died of it: the same processes, and the next radiograph is read.
    assert {child.pid for child in worker.children()} == children
    assert {child.pid for child in psutil.Process(web.process.pid).children()} >= servers
    site.wait_for_state(site.submit(), "done")
