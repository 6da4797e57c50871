"""Logs: one line an event, with the request's or task's id, and nothing about a patient.

Locally a readable line, in production one JSON object. What may hold something a person
typed never gets there: query strings, secrets in addresses, messages of foreign exceptions.
"""

from __future__ import annotations

import logging
import traceback

import structlog
from django.core.exceptions import ImproperlyConfigured

from .errors import CodedError

# Routes that are asked for all the time: of probes nothing is worth a line (they know the
# answer), of polling only its failures.
PROBES = ("health/live", "health/ready", "metrics")
POLLED = ("radiographs/<uuid:pk>/status/",)
# Periodic tasks, likewise.
QUIET_TASKS = (
    "inference.tasks.sweep",
    "operations.tasks.heartbeat",
    "operations.tasks.backups_look",
    "operations.tasks.audit_seal",
    "operations.tasks.audit_verify",
    "operations.tasks.anomalies_look",
)
# Exceptions whose text is made by us or by the operating system. The text of any other (a
# unique key's value in a database error, say) may be a patient's.
SPEAKING = (CodedError, OSError, ImproperlyConfigured, ImportError)


def drop_routine(_logger, _method: str, event: dict) -> dict:
    """Leave out the successes of what runs every few seconds."""
    routine = event.get("level") == "info"
    route = ""
    if event.get("event") == "request_finished":
        route = str(event.get("request", "")).partition(" ")[2]
    if (
        route in PROBES
        or (routine and route in POLLED)
        or (routine and event.get("task") in QUIET_TASKS)
    ):
        raise structlog.DropEvent
    return event


def exception_without_values(_logger, _method: str, event: dict) -> dict:
    """Turn ``exc_info`` into a trace whose foreign exceptions are named without their text."""
    # What Celery's hooks add: the same exception as text and as an object.
    if isinstance(event.get("exception"), BaseException):
        event["exc_info"] = event.pop("exception")
        event.pop("error", None)
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    elif error and not isinstance(error, BaseException):
        import sys

        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["exception"] = format_without_values(error)
    return event


class WithoutText(logging.Filter):
    """What Django refuses for safety's sake (a host, a path, a form) it quotes: the name of the
    refusal stays."""

    def filter(self, record: logging.LogRecord) -> bool:
        family, _dot, kind = record.name.rpartition(".")
        if family == "django.security":
            record.msg, record.args = f"refused: {kind}", ()
        return True


def format_without_values(error: BaseException) -> str:
    """The trace of ``error`` and of what caused it, oldest first."""
    parts = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        text = type(current).__qualname__
        if isinstance(current, SPEAKING):
            text += f": {current}"
        frames = "".join(traceback.format_tb(current.__traceback__))
        parts.append(f"{frames}{text}")
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )
    return "\n-- then --\n".join(reversed(parts))


def configure(*, json: bool, level: str) -> dict:
    """Set structlog up and return Django's ``LOGGING``: ``json`` lines or readable ones."""
    shared = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(
            fmt="iso" if json else "%H:%M:%S", utc=json, key="timestamp"
        ),
        structlog.stdlib.PositionalArgumentsFormatter(),
        exception_without_values,
    ]
    number = level_number(level)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            drop_routine,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    if json:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, pad_level=False)
    silent = {"level": "CRITICAL", "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    renderer,
                ],
            }
        },
        "filters": {"without_text": {"()": WithoutText}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "formatter": "line",
                "filters": ["without_text"],
            }
        },
        "root": {"handlers": ["console"], "level": number},
        "loggers": {
            # These repeat what the request and task lines say, with the whole address or
            # the exception's text.
            "django.request": silent,
            "django.server": silent,
            "django.security.csrf": silent,
            "celery.app.trace": silent,
            # Django's own handlers would print everything twice.
            "django": {"handlers": [], "level": "INFO", "propagate": True},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.beat": {"level": "WARNING"},
            "django.utils.autoreload": {"level": "WARNING"},
        },
    }


def level_number(name: str) -> int:
    """``INFO`` -> 20; raises ``ImproperlyConfigured`` for a name that logging doesn't know."""
    number = logging.getLevelNamesMapping().get(name.upper())
    if number is None:
        raise ImproperlyConfigured(f"LOG_LEVEL: {name!r} is none of DEBUG, INFO, WARNING, ERROR")
    return number
