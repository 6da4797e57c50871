"""Settings: each is listed, each is understood, and production lacks nothing."""

import ast
import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured

from pneumoniapp.settings import environment

ROOT = django_settings.BASE_DIR
SOURCES = [
    *(ROOT / "pneumoniapp" / "settings").glob("*.py"),
    ROOT / "gunicorn.conf.py",
    ROOT / "scripts" / "run.py",
    ROOT / "manage.py",
]
PRODUCTION = {
    "DJANGO_SETTINGS_MODULE": "pneumoniapp.settings.production",
    "SECRET_KEY": "k" * 50,
    "ALLOWED_HOSTS": "pneumonia.example.org",
    "DATABASE_URL": "sqlite:////nowhere/db.sqlite3",
    "CELERY_BROKER_URL": "redis://redis.example.org/0",
    "CACHE_URL": "redis://redis.example.org/1",
    "EMAIL_URL": "smtp+tls://user:password@mail.example.org:587",
}


def read_variables() -> set[str]:
    """Every variable that settings, gunicorn or ``make run`` read."""
    found = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = ast.unparse(node.func)
            name = node.args[0]
            if (
                (called.startswith("env.") or called in ("os.environ.get", "os.environ.setdefault"))
                and isinstance(name, ast.Constant)
                and isinstance(name.value, str)
            ):
                found.add(name.value)
    return found


def listed() -> dict[str, str]:
    """Every variable of ``.env.example`` with its default."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    return dict(
        re.match(r"# ([A-Z][A-Z0-9_]+)=(.*)$", line).groups()
        for line in lines
        if re.match(r"# [A-Z][A-Z0-9_]+=", line)
    )


def test_every_variable_is_listed_and_no_other():
    assert set(listed()) == read_variables()


def test_every_listed_variable_has_its_reason_above_it():
    lines = (ROOT / ".env.example").read_text().splitlines()
    for above, line in itertools.pairwise(lines):
        if re.match(r"# [A-Z][A-Z0-9_]+=", line):
            assert re.match(r"# \S.*\.$", above), line


def run(program: str, **variables: str) -> subprocess.CompletedProcess:
    """A fresh Python with these variables alone, away from any ``.env``."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )


SHOW = "from django.conf import settings as s; print(repr({}))"


@pytest.mark.parametrize("module", ["base", "production"])
def test_the_listed_defaults_are_the_defaults(module):
    program = (
        f"import pneumoniapp.settings.{module} as s\n"
        "print({n: v for n, v in vars(s).items()"
        " if n.isupper() and (isinstance(v, (str, int, bool)) or v == []"
        " or isinstance(v, list) and type(v[0]) is str)})"
    )
    variables = PRODUCTION | {"VAR_DIR": "/nowhere"}
    given = {
        name: value
        for name, value in listed().items()
        if name not in variables and name != "DEFAULT_FROM_EMAIL"
    }
    bare, with_the_list = run(program, **variables), run(program, **variables, **given)
    assert bare.returncode == with_the_list.returncode == 0, bare.stderr + with_the_list.stderr
    assert ast.literal_eval(with_the_list.stdout) == ast.literal_eval(bare.stdout)


@pytest.mark.parametrize("name", sorted(set(PRODUCTION) - {"DJANGO_SETTINGS_MODULE"}))
def test_production_says_what_it_lacks(name):
    done = run(SHOW.format("s.DEBUG"), **(PRODUCTION | {name: ""}))
    assert done.returncode != 0
    assert f"  {name}=" in done.stderr
    assert all(f"  {other}=" not in done.stderr for other in PRODUCTION if other not in (name,))


def test_production_is_closed_and_secure():
    wanted = (
        "[s.DEBUG, s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT,"
        " s.SECURE_HSTS_SECONDS > 0, s.DOCTOR_VERIFICATION_REQUIRED]"
    )
    done = run(SHOW.format(wanted), **PRODUCTION, DEBUG="true")
    assert done.stdout.strip() == "[False, True, True, True, True, True]", done.stderr


def test_production_refuses_a_short_secret_key():
    done = run(SHOW.format("s.DEBUG"), **(PRODUCTION | {"SECRET_KEY": "short"}))
    assert "SECRET_KEY needs 50 characters" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("SESSION_SECONDS", "long", "SESSION_SECONDS must be a whole number"),
        ("PREVENT_ENUMERATION", "ture", "PREVENT_ENUMERATION must be true or false"),
        ("DATABASE_URL", "postgres://host/name", "DATABASE_URL must begin with mysql://"),
        ("TRUSTED_PROXIES", "10.0.0.0/8,proxy", "TRUSTED_PROXIES: 'proxy'"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL: 'loud'"),
    ],
)
def test_a_wrong_value_is_named(variable, value, sentence):
    done = run(SHOW.format("s.DEBUG"), **(PRODUCTION | {variable: value}))
    assert done.returncode != 0
    assert sentence in done.stderr


def test_an_empty_variable_is_the_default(monkeypatch):
    monkeypatch.setenv("SOME_NUMBER", " ")
    assert environment.env.int("SOME_NUMBER", default=7) == 7
    monkeypatch.setenv("SOME_TRUTH", "Off")
    assert environment.env.bool("SOME_TRUTH", default=True) is False


def test_sqlite_waits_for_writers_and_keeps_odd_folders(tmp_path):
    folder = tmp_path / "a folder, 100 %"
    config = environment.database("", folder=folder, max_age=0)
    assert config["NAME"] == str(folder / "db.sqlite3")
    assert config["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_mysql_options_of_the_url_win():
    url = "mysql://user:p%40ss@db.example.org:3307/name?ssl_ca=/ca.pem&connect_timeout=9"
    config = environment.database(url, folder=Path("/"), max_age=60)
    assert (config["USER"], config["PASSWORD"], config["PORT"]) == ("user", "p@ss", 3307)
    assert config["OPTIONS"]["ssl"] == {"ca": "/ca.pem"}
    assert config["OPTIONS"]["connect_timeout"] == 9
    assert config["OPTIONS"]["charset"] == "utf8mb4"
    assert config["CONN_HEALTH_CHECKS"] is True


def test_files_in_a_bucket_are_private(monkeypatch):
    monkeypatch.setenv("S3_BUCKET", "radiographs")
    monkeypatch.setenv("S3_ENDPOINT_URL", "https://s3.example.org")
    options = environment.file_storage()["OPTIONS"]
    assert (options["bucket_name"], options["endpoint_url"]) == (
        "radiographs",
        "https://s3.example.org",
    )
    assert options["default_acl"] is None
    assert options["querystring_auth"] is True


def test_the_embedded_socket_fits_into_the_kernels_limit(tmp_path):
    near = environment.embedded_socket(tmp_path)
    assert near == tmp_path / "redis.sock"
    far = environment.embedded_socket(tmp_path / ("x" * 120))
    assert len(os.fsencode(far)) <= environment.SOCKET_PATH_LIMIT
    assert far != environment.embedded_socket(tmp_path / ("y" * 120))
    assert "%20" in environment.embedded_broker_url(Path("/a folder"))


def test_networks():
    assert environment.networks([]) == []
    assert str(environment.networks(["127.0.0.1", " 10.0.0.0/8 "])[1]) == "10.0.0.0/8"
    with pytest.raises(ImproperlyConfigured):
        environment.networks(["10.0.0.1/8"])
