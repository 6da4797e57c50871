"""What a line of the log may hold."""

import logging

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError
from structlog import DropEvent

from pneumoniapp import logs
from pneumoniapp.errors import UnexpectedError


def caught(error: Exception) -> Exception:
    try:
        raise error
    except Exception as raised:
        return raised


def test_a_foreign_exceptions_text_is_left_out_and_ours_is_kept(english):
    foreign = logs.format_without_values(caught(IntegrityError("Duplicate entry 'IPP-1'")))
    assert "in caught" in foreign
    assert foreign.endswith("IntegrityError")
    assert "cannot reach" in logs.format_without_values(caught(OSError("cannot reach it")))
    assert "recorded" in logs.format_without_values(caught(UnexpectedError()))


def test_what_caused_an_exception_is_told_without_its_text():
    name = "Jeanne " + "Dupont"

    def chain():
        try:
            raise ValueError(name)
        except ValueError as cause:
            raise ConnectionError("no route") from cause

    with pytest.raises(ConnectionError) as raised:
        chain()
    text = logs.format_without_values(raised.value)
    assert text.index("ValueError") < text.index("ConnectionError: no route")
    assert "Dupont" not in text


def test_a_circle_of_causes_ends():
    first, second = caught(ValueError()), caught(KeyError())
    first.__cause__, second.__cause__ = second, first
    assert logs.format_without_values(first).count("ValueError") == 1


def test_a_failed_tasks_line_has_the_trace_and_not_the_text():
    error = caught(ValueError("Jeanne Dupont"))
    event = {"event": "task_failed", "error": str(error), "exception": error, "exc_info": True}
    written = logs.exception_without_values(None, "error", event)
    assert set(written) == {"event", "exception"}
    assert "in caught" in written["exception"]
    assert "Dupont" not in written["exception"]


@pytest.mark.parametrize(
    ("event", "dropped"),
    [
        ({"level": "info", "event": "task_succeeded", "task": "inference.tasks.sweep"}, True),
        ({"level": "error", "event": "task_failed", "task": "inference.tasks.sweep"}, False),
        ({"level": "info", "event": "task_succeeded", "task": "inference.tasks.analyse"}, False),
        ({"level": "error", "event": "request_finished", "request": "GET health/ready"}, True),
        ({"level": "info", "event": "request_finished", "request": "GET patients/"}, False),
        (
            {
                "level": "info",
                "event": "request_finished",
                "request": "GET radiographs/<uuid:pk>/status/",
            },
            True,
        ),
        (
            {
                "level": "error",
                "event": "request_finished",
                "request": "GET radiographs/<uuid:pk>/status/",
            },
            False,
        ),
    ],
)
def test_routine_is_dropped_and_failures_are_not(event, dropped):
    if dropped:
        with pytest.raises(DropEvent):
            logs.drop_routine(None, "info", event)
    else:
        assert logs.drop_routine(None, "info", event) == event


def test_the_routine_names_exist():
    from django.urls import get_resolver

    from pneumoniapp.celery import app

    routes = {
        f"{prefix}{route}" for prefix, patterns in _routes(get_resolver()) for route in patterns
    }
    assert set(logs.PROBES) | set(logs.POLLED) <= routes
    app.loader.import_default_modules()
    assert set(logs.QUIET_TASKS) <= set(app.tasks)


def _routes(resolver, prefix=""):
    own = []
    for entry in resolver.url_patterns:
        pattern = str(entry.pattern)
        if hasattr(entry, "url_patterns"):
            yield from _routes(entry, prefix + pattern)
        else:
            own.append(pattern)
    yield prefix, own


def test_level_names():
    assert logs.level_number("warning") == logging.WARNING
    with pytest.raises(ImproperlyConfigured, match="LOG_LEVEL"):
        logs.level_number("loud")


def test_what_django_refuses_is_named_and_not_quoted():
    configured = logs.configure(json=True, level="INFO")["handlers"]["console"]["filters"]
    assert configured == ["without_text"]
    for name, said in (
        ("django.security.DisallowedHost", "Invalid HTTP_HOST header: 'jeanne.dupont'."),
        ("django.security.SuspiciousFileOperation", "/media/../Jeanne Dupont"),
    ):
        record = logging.LogRecord(name, logging.ERROR, "", 1, "%s", (said,), None)
        assert logs.WithoutText().filter(record)
        assert record.getMessage() == f"refused: {name.rpartition('.')[2]}"
    record = logging.LogRecord("gunicorn.error", logging.INFO, "", 1, "as it is", (), None)
    assert logs.WithoutText().filter(record)
    assert record.getMessage() == "as it is"
