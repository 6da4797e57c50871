"""What must hold before a worker may take its first message, and the checks of readiness."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage, storages
from django.db import connection

from .selectors import heartbeats

# Checks with this tag run when a worker starts; an error among them keeps it from starting.
# Other apps register theirs with ``@django.core.checks.register(WORKER)``.
WORKER = "worker"
# What every installation serves; the training queue is no part of a reading.
QUEUES = ("inference", "default")


@checks.register(WORKER)
def folders_are_usable(**_kwargs) -> list[checks.CheckMessage]:
    """The model folder can be read and, without S3, the files' folder written."""
    wanted = [("MODEL_ROOT", Path(settings.MODEL_ROOT), os.R_OK | os.X_OK)]
    if isinstance(storages["default"], FileSystemStorage):
        wanted.append(("MEDIA_ROOT", Path(settings.MEDIA_ROOT), os.R_OK | os.W_OK | os.X_OK))
    errors = []
    for name, folder, access in wanted:
        # A folder that isn't there yet is made on first use: its nearest parent must allow it.
        there = folder.exists()
        nearest = next(place for place in (folder, *folder.parents) if place.exists())
        needed = access if there else os.W_OK | os.X_OK
        if not nearest.is_dir() or not os.access(nearest, needed):
            errors.append(
                checks.Error(
                    f"{name} ({folder}) can't be used by this process.",
                    hint="Give its owner the right to read it (MODEL_ROOT) or write it "
                    "(MEDIA_ROOT), or name another folder.",
                    id=f"operations.E00{len(errors) + 1}",
                )
            )
    return errors


@checks.register(checks.Tags.security, deploy=True)
def metrics_have_a_token(**_kwargs) -> list[checks.CheckMessage]:
    """Who asks from this machine may be a proxy that doesn't say so."""
    if settings.METRICS_TOKEN:
        return []
    return [
        checks.Warning(
            "METRICS_TOKEN is not set: /metrics answers whoever asks from this machine, so "
            "also a proxy on it that adds no forwarding header.",
            hint="Set METRICS_TOKEN, or keep /metrics from the proxy.",
            id="operations.W001",
        )
    ]


@checks.register(checks.Tags.security)
def backup_keys_are_keys(**_kwargs) -> list[checks.CheckMessage]:
    """A key with a slip of the pen is found now, and not at half past two."""
    from .backup.keys import Keyring
    from .errors import BackupKeysInvalidError

    try:
        if settings.BACKUP_KEYS:
            Keyring.configured()
    except BackupKeysInvalidError as error:
        return [checks.Error(str(error), id="operations.E003")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def backups_are_configured(**_kwargs) -> list[checks.CheckMessage]:
    """Patients' data without a backup."""
    if settings.BACKUP_KEYS:
        return []
    return [
        checks.Warning(
            "BACKUP_KEYS is not set: nothing is backed up.",
            hint="Make a key with `manage.py backup --new-key`; docs/operations.md says the rest.",
            id="operations.W002",
        )
    ]


@checks.register(checks.Tags.security)
def file_keys_are_keys(**_kwargs) -> list[checks.CheckMessage]:
    """A key with a slip of the pen must not keep the first radiograph out."""
    from .encryption.keys import FileKeyring
    from .errors import FileKeysInvalidError

    try:
        FileKeyring.configured()
    except FileKeysInvalidError as error:
        return [checks.Error(str(error), id="operations.E005")]
    return []


@checks.register(checks.Tags.security, deploy=True)
def files_are_encrypted(**_kwargs) -> list[checks.CheckMessage]:
    """Whoever takes the disk has the radiographs."""
    if settings.FILE_KEYS:
        return []
    return [
        checks.Warning(
            "FILE_KEYS is not set: stored radiographs are not encrypted.",
            hint="Make a key with `manage.py backup --new-key`; docs/security.md says the rest.",
            id="operations.W005",
        )
    ]


@checks.register(checks.Tags.security, deploy=True)
def links_are_encrypted(**_kwargs) -> list[checks.CheckMessage]:
    """Identifiers and tasks that cross a network in the clear."""
    database = settings.DATABASES["default"]
    redis = {
        "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
        "CACHE_URL": settings.CACHES["default"].get("LOCATION", ""),
    }
    clear = [
        name
        for name, url in redis.items()
        if str(url).startswith("redis://") and not _is_here(urlsplit(str(url)).hostname)
    ]
    if not _is_here(database.get("HOST")) and "ssl" not in database.get("OPTIONS", {}):
        clear.insert(0, "DATABASE_URL")
    return [
        checks.Warning(
            f"{name} names another machine, and what is said to it is not encrypted.",
            hint="Use ?ssl_ca=/path/ca.pem for a database, rediss:// for Redis.",
            id="operations.W006",
        )
        for name in clear
    ]


def _is_here(host: str | None) -> bool:
    return not host or host.startswith("/") or host in {"localhost", "127.0.0.1", "::1"}


@checks.register(checks.Tags.security)
def audit_keys_are_long(**_kwargs) -> list[checks.CheckMessage]:
    """A short secret can be guessed from one event and its hash."""
    if all(len(key) >= 32 for key in settings.AUDIT_KEYS):
        return []
    return [checks.Error("A key of AUDIT_KEYS has fewer than 32 characters.", id="operations.E004")]


@checks.register(checks.Tags.security, deploy=True)
def audit_has_its_own_key(**_kwargs) -> list[checks.CheckMessage]:
    """Without one, changing SECRET_KEY makes the record of access unverifiable."""
    if settings.AUDIT_KEYS:
        return []
    return [
        checks.Warning(
            "AUDIT_KEYS is not set: the record of access is chained with a key from SECRET_KEY, "
            "and can't be verified any more when that is changed.",
            hint="Set AUDIT_KEYS to 32 random characters or more; docs/security.md says the rest.",
            id="operations.W003",
        )
    ]


@checks.register(checks.Tags.database)
def audit_triggers_are_there(databases=None, **_kwargs) -> list[checks.CheckMessage]:
    """The database refuses to change the record of access; asked when databases are checked."""
    from .audit import triggers

    absent = [name for name in databases or [] if not triggers.sound(name)]
    return [
        checks.Warning(
            f"The database {name!r} has not the triggers that keep the record of access.",
            hint="Run `manage.py migrate` as a user with the right to make triggers (with MySQL's "
            "binary log: log_bin_trust_function_creators=1).",
            id="operations.W004",
        )
        for name in absent
    ]


def database_answers() -> dict:
    """Health: one round trip over a new connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {}


def broker_answers() -> dict:
    """Health: the broker takes a connection."""
    from pneumoniapp.celery import app

    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=2)
    return {}


def storage_keeps() -> dict:
    """Health: a few bytes written to the files' storage come back, and are gone after."""
    wanted = uuid.uuid4().hex.encode()
    name = f"health/{uuid.uuid4().hex}"
    try:
        default_storage.save(name, ContentFile(wanted))
        with default_storage.open(name) as file:
            return {"ok": file.read() == wanted}
    finally:
        default_storage.delete(name)


def workers_listen() -> dict:
    """Health: a worker of each queue was heard of lately; seconds ago by queue."""
    ages = heartbeats()
    fresh = all(ages.get(queue, float("inf")) <= settings.HEARTBEAT_LIMIT for queue in QUEUES)
    return {"ok": fresh, "seconds_ago": {queue: round(age, 1) for queue, age in ages.items()}}
