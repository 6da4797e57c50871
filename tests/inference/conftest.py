"""A registered, promoted model for the tests of readings."""

from __future__ import annotations

import socket
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from inference import engine, tasks
from inference.models import Analysis, ModelVersion
from inference.registry import shipped_directories
from inference.services import model_register
from patients.models import Patient
from tests.inference.factories import AnalysisFactory, copy_model_folder, with_certainty
from tests.patients.factories import PatientFactory


@pytest.fixture(scope="session")
def shipped() -> Path:
    """The newest model folder that comes with the program."""
    return shipped_directories()[-1]


@pytest.fixture(autouse=True)
def _no_engine_from_another_test(monkeypatch):
    monkeypatch.setattr(engine, "_loaded", None)


@pytest.fixture
def folder_like(shipped, tmp_path):
    """``folder_like(version="2", facts={...})``: a copy of the shipped folder with other facts."""

    def make(*, version: str, **facts) -> Path:
        return copy_model_folder(shipped, tmp_path / f"model-{version}", version=version, **facts)

    return make


@pytest.fixture
def folder_with_sets(shipped, tmp_path):
    """``folder_with_sets(version="2")``: a copy of format 2, see :func:`with_certainty`."""

    def make(*, version: str, **certainty) -> Path:
        target = tmp_path / f"model-{version}"
        return with_certainty(copy_model_folder(shipped, target, version=version), **certainty)

    return make


@pytest.fixture
def production(db, shipped) -> ModelVersion:
    """The shipped version, registered and in production."""
    return model_register(directory=shipped, promote=True)


@pytest.fixture
def patient(doctor) -> Patient:
    """A patient of ``doctor``."""
    return PatientFactory(owner=doctor)


@pytest.fixture
def analysis(patient) -> Analysis:
    """A finished reading of ``patient``."""
    return AnalysisFactory(radiograph__patient=patient)


class MemoryBroker:
    """The broker of the test settings (kombu's in-memory transport): look at what was sent."""

    def take(self, queue: str) -> list:
        """The messages of ``queue``, taken out of it."""
        messages = []
        with tasks.analyse.app.connection_for_read() as connection:
            waiting = connection.SimpleQueue(queue)
            while True:
                try:
                    message = waiting.get_nowait()
                except waiting.Empty:
                    waiting.close()
                    return messages
                message.ack()
                messages.append(message)


@pytest.fixture
def broker():
    """An empty broker; nothing of it is left to the next test."""
    memory = MemoryBroker()
    memory.take("inference")
    yield memory
    memory.take("inference")


@contextmanager
def other_broker(url: str):
    """The application's broker is the one at ``url``."""
    app = tasks.analyse.app

    def use(url: str) -> None:
        app.conf.broker_url = url
        app._pool = app.amqp._producer_pool = None

    before = app.conf.broker_url
    use(url)
    try:
        yield
    finally:
        use(before)


@pytest.fixture
def dead_broker(tmp_path):
    """The application's broker is a Redis that is not there."""
    with other_broker(f"redis+socket://{tmp_path}/nothing.sock"):
        yield


@pytest.fixture
def hanging_broker():
    """The application's broker takes connections and never says a word."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(other_broker(f"redis://127.0.0.1:{server.getsockname()[1]}/0"))
        yield
