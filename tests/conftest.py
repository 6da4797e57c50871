"""Fixtures that every test may use."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import hypothesis
import pytest
from allauth.account.internal.flows.login import (
    get_authentication_records,
    record_authentication,
)
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.core.cache import cache
from django.core.management import call_command
from django.dispatch import receiver
from django.test import Client
from django.utils import translation

DATA = Path(os.environ.get("PNEUMONIAPP_DATA") or settings.BASE_DIR.parent / "shared" / "data")

# Nothing is timed here: a busy machine is no fault of what is tested.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


def pytest_addoption(parser):
    parser.addoption(
        "--database-only",
        action="store_true",
        help="only the tests that use the database: for the run on another database",
    )


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--database-only"):
        return
    fixtures = {"db", "transactional_db", "live_server"}
    wanted = [
        item
        for item in items
        if item.get_closest_marker("django_db") or fixtures & set(item.fixturenames)
    ]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(wanted)])
    items[:] = wanted


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real radiographs; without it the test skips and says so."""
    if not (DATA / "README.md").is_file():
        pytest.skip(f"no real radiographs at {DATA} (set PNEUMONIAPP_DATA)")
    return DATA


@pytest.fixture(autouse=True)
def _own_folders(settings, tmp_path_factory):
    """Files, models and whatever else changes lie in a folder of this test's own."""
    root = tmp_path_factory.mktemp("var")
    settings.VAR_DIR = root
    settings.MEDIA_ROOT = str(root / "media")
    settings.MODEL_ROOT = root / "models"
    for folder in ("media", "models"):
        (root / folder).mkdir()


@receiver(user_logged_in)
def _has_given_the_password(sender, request, user, **kwargs):
    """``Client.force_login`` stands for a log-in with the password a moment ago."""
    if not get_authentication_records(request, user):
        record_authentication(request, user, method="password")


@pytest.fixture
def backups(settings, tmp_path_factory) -> str:
    """Backups are on, into a folder of this test's own; the key."""
    from operations.backup.keys import new_key

    folder = tmp_path_factory.mktemp("backups")
    backend = settings.STORAGES["backups"]
    options = backend["OPTIONS"] | {"location": str(folder)}
    settings.STORAGES = settings.STORAGES | {"backups": backend | {"OPTIONS": options}}
    settings.BACKUP_KEYS = [new_key()]
    return settings.BACKUP_KEYS[0]


@pytest.fixture(
    params=[("disk", False), ("rights", False), ("unreachable", True), ("refused", True)]
)
def fail_storage(request, settings):
    """``fail_storage()``: from then on no stored file can be opened, or read."""
    fault, late = request.param

    def fail() -> None:
        options = {"fault": fault, "late": late}
        backend = {"BACKEND": "tests.storages.FailingStorage", "OPTIONS": options}
        settings.STORAGES = settings.STORAGES | {"default": backend}

    return fail


@pytest.fixture(autouse=True)
def _empty_cache():
    """Nothing remembered from another test: rate limits, repeated reads."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def run_command(capsys):
    """``run_command("classify", "a.dcm")``: the exit status, and the lines that were printed."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        status = 0
        try:
            call_command(*arguments)
        except SystemExit as stop:
            status = stop.code
        return status, capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def english():
    """English for everything that the test itself translates (not for its requests)."""
    with translation.override("en"):
        yield


@pytest.fixture
def client() -> Client:
    """Nobody signed in; speaks English."""
    return Client(headers={"accept-language": "en"})


@pytest.fixture
def client_for():
    """``client_for(account)``: a client that ``account`` is signed in to; ``language="en"``."""

    def make(account, *, language: str = "en") -> Client:
        made = Client(headers={"accept-language": language})
        made.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        made.force_login(account)
        return made

    return make


@pytest.fixture
def doctor(db):
    """A verified doctor."""
    from tests.accounts.factories import DoctorFactory

    return DoctorFactory()


@pytest.fixture
def other_doctor(db):
    """A verified doctor who must see nothing of ``doctor``'s."""
    from tests.accounts.factories import DoctorFactory

    return DoctorFactory()


@pytest.fixture
def pending_doctor(db):
    """A doctor whose registration number nobody has verified, where that is demanded."""
    from tests.accounts.factories import DoctorFactory

    return DoctorFactory(verification="pending")


@pytest.fixture
def admin(db):
    """An administrator with every permission."""
    from tests.accounts.factories import AdminFactory

    return AdminFactory()


@pytest.fixture
def doctor_client(client_for, doctor) -> Client:
    """A client that ``doctor`` is signed in to."""
    return client_for(doctor)


@pytest.fixture
def other_doctor_client(client_for, other_doctor) -> Client:
    """A client that ``other_doctor`` is signed in to."""
    return client_for(other_doctor)


@pytest.fixture
def pending_doctor_client(client_for, pending_doctor) -> Client:
    """A client that ``pending_doctor`` is signed in to."""
    return client_for(pending_doctor)


@pytest.fixture
def admin_client(client_for, admin) -> Client:
    """A client that ``admin`` is signed in to."""
    return client_for(admin)


@pytest.fixture
def small_disk():
    """The kernel writes no more than 2,800,000 bytes into one file of this process."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_800_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
