"""Where settings come from: the process environment and, beneath it, the file ``.env``."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent.parent
# The kernel's limit for the path of a Unix socket is 108 bytes with the closing zero.
SOCKET_PATH_LIMIT = 107


class Environment(environ.Env):
    """Reads variables: an empty one counts as absent, and a wrong one is an error by name.

    Truth is told by true/false, yes/no, on/off or 1/0; anything else is refused rather than
    taken for false.
    """

    FALSE_STRINGS = ("false", "no", "off", "0", "n", "f")

    def get_value(self, var, cast=None, default=environ.Env.NOTSET, parse_default=False):
        text = self.ENVIRON.get(var, "").strip()
        if not text and default is not self.NOTSET:
            return default
        known = (*self.BOOLEAN_TRUE_STRINGS, *self.FALSE_STRINGS, "1")
        if cast is bool and text.lower() not in known:
            raise ImproperlyConfigured(f"{var} must be true or false")
        try:
            return super().get_value(var, cast, default, parse_default)
        except (ValueError, TypeError):
            kind = "a whole number" if cast is int else "valid"
            raise ImproperlyConfigured(f"{var} must be {kind}") from None


env = Environment()


def read_dotenv() -> None:
    """Take what the environment doesn't say from ``.env`` at the root of the checkout.

    Local and production settings call it first; the tests' settings never do, so that a
    person's own ``.env`` changes no test.
    """
    env.read_env(BASE_DIR / ".env", overwrite=False)


def var_dir() -> Path:
    """The folder of everything that changes in the embedded default (``VAR_DIR``), absolute."""
    return Path(env.str("VAR_DIR", default="") or BASE_DIR / "var").absolute()


def embedded_socket(folder: Path) -> Path:
    """The Unix socket of the embedded broker of the installation whose ``VAR_DIR`` is ``folder``.

    It lies in that folder, or in a private temporary one when the path would be too long.
    """
    socket = folder / "redis.sock"
    if len(os.fsencode(socket)) <= SOCKET_PATH_LIMIT:
        return socket
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"pneumoniapp-{os.getuid()}-{name}" / "redis.sock"


def embedded_broker_url(folder: Path) -> str:
    """The Celery URL of that broker."""
    return f"redis+socket://{quote(str(embedded_socket(folder)))}"


def database(url: str, *, folder: Path, max_age: int) -> dict:
    """Django's database settings for ``url``; empty means SQLite in ``folder``.

    ``mysql://user:password@host:3306/name?ssl_ca=/path/ca.pem`` (MySQL 8, MariaDB 10.6 or
    later) or ``sqlite:////path``. Options in the query win over the defaults here. Raises
    ``ImproperlyConfigured`` for another kind of database: only these two are tested.
    """
    if url:
        config = env.db_url_config(url)
    else:
        config = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3")}
    options = config.pop("OPTIONS", {})
    if config.get("ENGINE") == "django.db.backends.sqlite3":
        # Write-ahead log and immediate transactions: readers never wait, writers queue (20 s).
        options = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        } | options
    elif config.get("ENGINE") == "django.db.backends.mysql":
        if ca := options.pop("ssl_ca", None):
            options["ssl"] = {"ca": ca}
        options = {
            "charset": "utf8mb4",
            "isolation_level": "read committed",
            "connect_timeout": 5,
            "init_command": "SET sql_mode=CONCAT(@@sql_mode, ',STRICT_TRANS_TABLES')",
        } | options
    else:
        raise ImproperlyConfigured("DATABASE_URL must begin with mysql:// or sqlite://")
    return config | {
        "OPTIONS": options,
        "CONN_MAX_AGE": max_age,
        "CONN_HEALTH_CHECKS": True,
    }


def cache(url: str) -> dict:
    """Django's cache settings: Redis at ``url``, or the memory of each process when empty."""
    if url:
        return {"BACKEND": "pneumoniapp.cache.CountingRedisCache", "LOCATION": url}
    return {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


def file_storage() -> dict:
    """The storage of patients' files: an S3 bucket if ``S3_BUCKET`` is set, else ``MEDIA_ROOT``.

    Either way files are private: there is no public address, no public ACL.
    """
    return _storage(
        sealed=True,
        bucket_name=env.str("S3_BUCKET", default=""),
        endpoint_url=env.str("S3_ENDPOINT_URL", default=""),
        region_name=env.str("S3_REGION", default=""),
        access_key=env.str("S3_ACCESS_KEY", default=""),
        secret_key=env.str("S3_SECRET_KEY", default=""),
    )


def backup_storage(folder: Path) -> dict:
    """The storage of backups: a bucket if ``BACKUP_S3_BUCKET`` is set, else ``folder``."""
    return _storage(
        folder=folder,
        bucket_name=env.str("BACKUP_S3_BUCKET", default=""),
        endpoint_url=env.str("BACKUP_S3_ENDPOINT_URL", default=""),
        region_name=env.str("BACKUP_S3_REGION", default=""),
        access_key=env.str("BACKUP_S3_ACCESS_KEY", default=""),
        secret_key=env.str("BACKUP_S3_SECRET_KEY", default=""),
    )


# A folder's and a bucket's storage, by whether FILE_KEYS seal what is in it.
BACKENDS = {
    True: (
        "operations.encryption.storages.EncryptedFileSystemStorage",
        "operations.encryption.s3.EncryptedS3Storage",
    ),
    False: ("django.core.files.storage.FileSystemStorage", "storages.backends.s3.S3Storage"),
}


def _storage(
    *, folder: Path | None = None, sealed: bool = False, bucket_name: str, **account: str
) -> dict:
    """The bucket of ``account``; without a name a ``folder``, by default ``MEDIA_ROOT``."""
    if not bucket_name:
        return {
            "BACKEND": BACKENDS[sealed][0],
            "OPTIONS": {
                "allow_overwrite": True,
                "file_permissions_mode": 0o600,
                "directory_permissions_mode": 0o700,
                **({"location": str(folder)} if folder else {}),
            },
        }
    from botocore.config import Config

    return {
        "BACKEND": BACKENDS[sealed][1],
        "OPTIONS": {
            "bucket_name": bucket_name,
            **{name: value or None for name, value in account.items()},
            "default_acl": None,
            "file_overwrite": True,
            "querystring_auth": True,
            # A larger file that is read goes through the disk.
            "max_memory_size": 8 * 1024 * 1024,
            "client_config": Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=30,
                retries={"total_max_attempts": 3, "mode": "standard"},
            ),
        },
    }


def hours(name: str, text: str) -> tuple[int, int]:
    """``6-22`` -> ``(6, 22)``; raises ``ImproperlyConfigured`` for what are no hours."""
    first, _dash, last = text.partition("-")
    if not (first.strip().isdecimal() and last.strip().isdecimal()):
        raise ImproperlyConfigured(f"{name}: {text!r} is no first and last hour, such as 6-22")
    found = int(first), int(last)
    if max(found) > 24:
        raise ImproperlyConfigured(f"{name}: a day has 24 hours, {text!r} has more")
    return found


def time_of_day(variable: str, text: str) -> dt.time:
    """``"02:30"`` as a time; raises ``ImproperlyConfigured``."""
    try:
        return dt.datetime.strptime(text.strip(), "%H:%M").time()
    except ValueError:
        raise ImproperlyConfigured(f"{variable} must be a time such as 02:30") from None


def counts(variable: str, texts: list[str]) -> tuple[int, int, int]:
    """``["7", "4", "12"]`` as numbers; raises ``ImproperlyConfigured``."""
    try:
        days, weeks, months = (int(text) for text in texts)
    except ValueError:
        days = weeks = months = -1
    if min(days, weeks, months) < 0:
        raise ImproperlyConfigured(f"{variable} must be three whole numbers such as 7,4,12")
    return days, weeks, months


def networks(names: list[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """``["10.0.0.0/8", "127.0.0.1"]`` as networks; raises ``ImproperlyConfigured``."""
    try:
        return [ipaddress.ip_network(name.strip()) for name in names if name.strip()]
    except ValueError as error:
        raise ImproperlyConfigured(f"TRUSTED_PROXIES: {error}") from error


def require(names: dict[str, str]) -> None:
    """Raise ``ImproperlyConfigured`` with every name of ``names`` that the environment lacks.

    ``names`` maps each variable to an example of what it looks like.
    """
    missing = [name for name in names if not env.str(name, default="").strip()]
    if missing:
        lines = "\n".join(f"  {name}={names[name]}" for name in missing)
        raise ImproperlyConfigured(
            f"Production settings need these environment variables (see .env.example):\n{lines}"
        )
