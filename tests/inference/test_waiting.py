"""Many who wait, one who asks."""

import threading
import time

import pytest
from django.db import connection

from inference import waiting
from inference.models import Analysis
from inference.waiting import wait_until_finished

from .factories import AnalysisFactory

pytestmark = pytest.mark.django_db(transaction=True)


class Waiters:
    """Threads that wait; ``results`` by their number, with the seconds that each took."""

    def __init__(self, jobs) -> None:
        self.results, self.threads = {}, []
        for number, (pk, seconds) in enumerate(jobs):
            self.threads.append(threading.Thread(target=self.wait, args=(number, pk, seconds)))
        for thread in self.threads:
            thread.start()

    def wait(self, number, pk, seconds):
        began = time.monotonic()
        finished = wait_until_finished(pk, seconds)
        self.results[number] = (finished, time.monotonic() - began)
        connection.close()

    def join(self):
        for thread in self.threads:
            thread.join(20)
        assert waiting._tickets == []
        assert waiting._asker is None
        return self.results


def finish(analysis):
    Analysis.objects.filter(pk=analysis.pk).update(status="failed")


def test_each_hears_of_its_own_reading():
    analyses = AnalysisFactory.create_batch(6, queued=True)
    waiters = Waiters((analysis.pk, 10) for analysis in analyses)
    for analysis in analyses[:3]:
        time.sleep(0.1)
        finish(analysis)
    time.sleep(0.6)
    assert sorted(waiters.results) == [0, 1, 2]
    for analysis in analyses[3:]:
        finish(analysis)
    results = waiters.join()
    assert all(finished for finished, _ in results.values())
    assert max(took for _, took in results.values()) < 8


def test_when_the_asking_one_gives_up_another_asks():
    first, second = AnalysisFactory.create_batch(2, queued=True)
    waiters = Waiters([(first.pk, 0.3), (second.pk, 10)])
    time.sleep(0.6)
    finish(second)
    results = waiters.join()
    assert not results[0][0]
    assert results[1][0]
    assert results[1][1] < 5


def test_when_asking_fails_another_asks(monkeypatch):
    """A database that is gone ends one request, not all that wait."""
    first, second = AnalysisFactory.create_batch(2, queued=True)
    real, calls = waiting.finished_analyses, []

    def broken_once(pks):
        calls.append(pks)
        if len(calls) == 1:
            raise RuntimeError
        return real(pks)

    monkeypatch.setattr(waiting, "finished_analyses", broken_once)
    finish(second)
    with pytest.raises(RuntimeError):
        wait_until_finished(first.pk, 5)
    assert wait_until_finished(second.pk, 5)
    assert waiting._tickets == []


def test_many_waiters_ask_together(django_assert_max_num_queries):
    """Sixteen who wait half a second ask little more often than one would."""
    analyses = AnalysisFactory.create_batch(16, queued=True)
    asked, real = [], waiting.finished_analyses

    def counted(pks):
        asked.append(len(pks))
        return real(pks)

    waiting.finished_analyses = counted
    try:
        waiters = Waiters((analysis.pk, 0.5) for analysis in analyses)
        results = waiters.join()
    finally:
        waiting.finished_analyses = real
    assert not any(finished for finished, _ in results.values())
    assert max(asked) == 16
    assert len(asked) < 60
