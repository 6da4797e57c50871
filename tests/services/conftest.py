"""An installation of its own for the tests of this folder: database, broker, workers.

The test process plays the web server: it calls the services and looks at the rows in the
same database, broker and folders that the workers use.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from django.core.files.base import ContentFile
from django.db import connections, transaction

from inference import tasks
from inference.models import Analysis, ModelVersion, Promotion, Review
from inference.registry import shipped_directories
from inference.services import Reading, model_register, reading_submit
from patients.models import Patient
from pneumoniapp.settings import environment as settings_environment
from radiology.models import Radiograph
from tests.accounts.factories import DoctorFactory, token_for
from tests.inference.factories import AnalysisFactory
from tests.operations.audit_site import events_forget
from tests.patients.factories import PatientFactory
from tests.radiology.factories import dicom_bytes
from tests.services.servers import ROOT, Beat, MariaDB, Redis, Web, Worker, wait_for

# Seconds. Short, so that a lost worker is noticed while a test waits; long enough for a
# busy machine to read a radiograph.
TIME_LIMIT, REQUEUE_AFTER, SWEEP_INTERVAL = 8, 3, 1


class Installation:
    """Database, broker, folders and the environment that tells a process of them."""

    def __init__(self, kind: str, folder: Path, database_url: str, redis: Redis, mariadb) -> None:
        self.kind, self.folder, self.redis, self.mariadb = kind, folder, redis, mariadb
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.local",
            "DEBUG": "false",
            "SECRET_KEY": "services-tests",
            "LOG_FORMAT": "json",
            "LOG_LEVEL": "INFO",
            "VAR_DIR": str(folder),
            "MEDIA_ROOT": str(folder / "media"),
            "MODEL_ROOT": str(folder / "models"),
            "DATABASE_URL": database_url,
            "CELERY_BROKER_URL": redis.url,
            "ANALYSIS_TIME_LIMIT": str(TIME_LIMIT),
            "ANALYSIS_REQUEUE_AFTER": str(REQUEUE_AFTER),
            "SWEEP_INTERVAL": str(SWEEP_INTERVAL),
            "PYTHONWARNINGS": "default",
        }
        self.database = settings_environment.database(database_url, folder=folder, max_age=0)

    def manage(self, *arguments: str) -> None:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=os.environ | self.environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("redis"), embedded=False)
    if not server.binary:
        pytest.skip("redis-server is not installed")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def embedded_redis(tmp_path_factory):
    server = Redis(tmp_path_factory.mktemp("redis"), embedded=True)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def mariadb_server(tmp_path_factory):
    server = MariaDB(tmp_path_factory.mktemp("mariadb"))
    if not server.binary or not shutil.which("mariadb-install-db"):
        pytest.skip("MariaDB is not installed")
    try:
        server.install()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session", params=["sqlite", "mariadb"])
def installation(request, tmp_path_factory) -> Installation:
    """The embedded default (SQLite, bundled Redis) and production's (MariaDB, Redis)."""
    folder = tmp_path_factory.mktemp(f"installation-{request.param}")
    if request.param == "sqlite":
        redis, mariadb = request.getfixturevalue("embedded_redis"), None
        url = f"sqlite:///{folder / 'db.sqlite3'}"
    else:
        mariadb = request.getfixturevalue("mariadb_server")
        redis = request.getfixturevalue("redis_server")
        url = mariadb.url
    made = Installation(request.param, folder, url, redis, mariadb)
    made.manage("migrate", "--verbosity", "0")
    return made


class Site:
    """What a test does with an installation: submit, look, start and stop workers."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.redis, self.mariadb = installation.redis, installation.mariadb
        self.patient = PatientFactory(owner=DoctorFactory())
        self.processes: list = []

    def worker(self, name: str = "worker", *, children: int = 2) -> Worker:
        worker = Worker(name, self.installation.folder)
        worker.log.unlink(missing_ok=True)
        self.processes.append(worker)
        worker.start(self.installation.environment, children=children)
        return worker

    def beat(self) -> Beat:
        beat = Beat("beat", self.installation.folder)
        beat.log.unlink(missing_ok=True)
        self.processes.append(beat)
        beat.start(self.installation.environment)
        return beat

    def submit(self) -> Reading:
        """Upload a new radiograph, as a request of the web server does."""
        file = ContentFile(dicom_bytes(rows=128, columns=112), name="image.dcm")
        return reading_submit(patient=self.patient, uploaded_by=self.patient.owner, file=file)

    def submit_held(self) -> tuple[Reading, Hold]:
        """Upload a radiograph that a worker will begin to read and not come to an end with."""
        with transaction.atomic():
            reading = self.submit()
            hold = Hold(reading)
        return reading, hold

    def make_held(self) -> tuple[Reading, Hold]:
        """The same with a radiograph that was not sent to the broker."""
        analysis = AnalysisFactory(queued=True, radiograph__patient=self.patient)
        reading = Reading(analysis.radiograph, analysis, created=True)
        return reading, Hold(reading)

    def submit_many(self, count: int, *, clients: int) -> list[Reading]:
        def submit(_number: int) -> Reading:
            try:
                return self.submit()
            finally:
                connections.close_all()

        with ThreadPoolExecutor(clients) as pool:
            return list(pool.map(submit, range(count)))

    def web(self) -> Web:
        web = Web("web", self.installation.folder)
        self.processes.append(web)
        web.start(self.installation.environment)
        return web

    def upload_many(self, web: Web, count: int, *, clients: int) -> list[Reading]:
        """As many programs as ``clients`` upload radiographs over the REST API."""
        text = token_for(self.patient.owner)
        address = f"http://127.0.0.1:{web.port}/api/v1/radiographs/"

        def upload(_number: int) -> str:
            answer = requests.post(
                address,
                data={"patient": str(self.patient.pk)},
                files={"file": dicom_bytes(rows=128, columns=112)},
                headers={"Authorization": f"Token {text}"},
                timeout=60,
            )
            assert answer.status_code == 202, answer.text
            return answer.json()["analysis"]["id"]

        with ThreadPoolExecutor(clients) as pool:
            keys = list(pool.map(upload, range(count)))
        rows = Analysis.objects.select_related("radiograph").in_bulk(keys, field_name="pk")
        found = {str(pk): row for pk, row in rows.items()}
        return [Reading(found[key].radiograph, found[key], created=True) for key in keys]

    def send(self, reading: Reading, **options) -> None:
        """Send the message of a reading once more."""
        tasks.analyse.apply_async([str(reading.analysis.pk)], **options)

    def state(self, reading: Reading) -> Analysis:
        return Analysis.objects.get(pk=reading.analysis.pk)

    def wait_for_state(self, reading: Reading, *states: str, limit: float = 40) -> Analysis:
        def reached():
            analysis = self.state(reading)
            return analysis if analysis.status in states else None

        return wait_for(reached, limit=limit, what=f"{reading.analysis.pk} to be {states}")

    def wait_until_finished(self, limit: float = 90) -> None:
        unfinished = Analysis.objects.exclude(status__in=["done", "failed"])
        wait_for(lambda: not unfinished.exists(), limit=limit, what="all readings to finish")

    def check_each_has_one_reading(self, readings: list[Reading], *, lines_lost: int = 0) -> None:
        """None lost, none twice: one row each, done, and finished once by all workers.

        A worker says so after its transaction. ``lines_lost`` is how many may have been
        kept from it: killed just then, or left without the commit's answer by a database
        that went away.
        """
        rows = list(Analysis.objects.select_related("radiograph"))
        assert len({reading.radiograph.pk for reading in readings}) == len(readings)
        assert {row.pk for row in rows} == {reading.analysis.pk for reading in readings}
        assert Radiograph.objects.count() == len(readings) == len(rows)
        for row in rows:
            assert (row.status, row.error_code) == ("done", ""), row.error_code
            assert row.map.storage.exists(row.map.name)
            assert row.radiograph.preview.storage.exists(row.radiograph.preview.name)
        least = len(rows) - lines_lost
        wait_for(lambda: len(self.finished()) >= least, what="a line for each reading")
        assert len(set(self.finished())) == len(self.finished())
        assert set(self.finished()) <= {str(row.pk) for row in rows}

    def finished(self) -> list[str]:
        """The analyses that workers say they finished, one entry for each time."""
        found = []
        for process in self.processes:
            if isinstance(process, Worker):
                for line in process.written().splitlines():
                    if '"analysis_done"' in line:
                        found.append(json.loads(line)["analysis_id"])
        return found

    @contextmanager
    def database_down(self) -> Iterator[None]:
        """Stop the database server, and start it again at the end."""
        connections.close_all()
        self.mariadb.stop()
        try:
            yield
        finally:
            self.mariadb.start()

    def messages(self) -> tuple[int, int]:
        """How many messages for readings wait at the broker, and how many are given out."""
        with self.redis.client() as client:
            return client.llen("inference"), client.hlen("unacked")

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        for server in (self.redis, self.mariadb):
            if server is not None and not server.is_running:
                server.start()
        with self.redis.client() as client:
            client.flushall()


class Hold:
    """Whoever opens the stored file of a reading waits, in the middle of the task.

    The file is a named pipe that nobody writes to.
    """

    def __init__(self, reading: Reading) -> None:
        self.path = Path(reading.radiograph.file.path)
        self.kept = self.path.with_suffix(".kept")
        self.path.rename(self.kept)
        os.mkfifo(self.path)

    def restore(self) -> None:
        """Put the file back for the next who opens it; who waits already waits on."""
        self.kept.replace(self.path)

    def let_go(self) -> None:
        """Give the content to the one who waits, and put the file back."""
        content = self.kept.read_bytes()
        self.path.write_bytes(content)
        self.restore()


@contextmanager
def connected_to(installation: Installation) -> Iterator[None]:
    """This process's database and broker are those of ``installation``, in every thread."""
    app = tasks.analyse.app

    def use_broker(url: str) -> None:
        app.conf.broker_url = url
        app._pool = app.amqp._producer_pool = None

    # The wrapper itself is kept: an SQLite test database in memory lives as long as it does.
    wrapper, database = connections["default"], connections.settings["default"]
    broker = app.conf.broker_url
    configured = connections.configure_settings({"default": installation.database})
    connections.settings["default"] = configured["default"]
    del connections["default"]
    use_broker(installation.redis.url)
    try:
        yield
    finally:
        connections["default"].close()
        connections.settings["default"] = database
        connections["default"] = wrapper
        use_broker(broker)


@pytest.fixture
def site(installation, settings, _own_folders, django_db_blocker, monkeypatch):
    """The test process connected to ``installation``, with the shipped model in production."""
    settings.MEDIA_ROOT = installation.environment["MEDIA_ROOT"]
    settings.MODEL_ROOT = Path(installation.environment["MODEL_ROOT"])
    # The worker has no keys.
    settings.FILE_KEYS = []
    settings.ANALYSIS_TIME_LIMIT = TIME_LIMIT
    settings.ANALYSIS_REQUEUE_AFTER = REQUEUE_AFTER
    # The sender of a message writes its limits into it.
    monkeypatch.setattr(tasks.analyse, "time_limit", TIME_LIMIT)
    monkeypatch.setattr(tasks.analyse, "soft_time_limit", int(0.9 * TIME_LIMIT))
    monkeypatch.setattr(tasks.analyse, "_exec_options", None)
    with django_db_blocker.unblock(), connected_to(installation):
        model_register(directory=shipped_directories()[-1], promote=True)
        made = Site(installation)
        try:
            yield made
        finally:
            made.close()
            events_forget()
            for model in (Review, Analysis, Radiograph, Promotion, ModelVersion, Patient):
                model.objects.all().delete()
            shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)
