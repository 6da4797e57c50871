"""The one error map: exception class -> stable code -> translated sentence.

Every error that a user, a program or an operator may meet is a subclass of
:class:`PermanentError` or :class:`RetriableError`. Its ``code`` is stored on rows,
returned by the API and never changes meaning; its ``sentence`` is translated when
it is shown, so a row stores only the code.

Each app keeps its own subclasses in ``<app>/errors.py``.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import OperationalError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

REGISTRY: dict[str, type[CodedError]] = {}


class CodedError(Exception):
    """An error with a stable code, an HTTP status and a sentence for its reader.

    Do not raise it directly; subclass :class:`PermanentError` or :class:`RetriableError`.

    Keyword arguments fill the ``%(name)s`` places of ``sentence``. They are for facts
    about the file or the request (sizes, limits, a transfer syntax), never for
    identifiers or clinical values: the text may be logged.
    """

    code: ClassVar[str] = ""
    status: ClassVar[int] = 400
    sentence: ClassVar[str | Promise] = ""
    # Where a program can be told more: by field of what it sent, {code, detail}, without values.
    fields: dict[str, list[dict[str, str]]] = {}

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        code = cls.__dict__.get("code")
        if not code:
            return
        if code in REGISTRY:
            raise TypeError(f"error code {code!r} is used twice")
        REGISTRY[code] = cls

    def __init__(self, **params) -> None:
        self.params = params
        super().__init__(self.code)

    def __str__(self) -> str:
        return str(self.sentence) % self.params if self.params else str(self.sentence)


class PermanentError(CodedError):
    """Trying again with the same input gives the same answer: tell the user why."""


class RetriableError(CodedError):
    """A passing fault (a lost connection, a full disk): trying again may work."""

    status = 503
    # Seconds after which another try is worth its while.
    retry_after = 5


class UnexpectedError(PermanentError):
    """The last resort for an exception that nobody foresaw; its trace is in the log."""

    code = "unexpected_error"
    status = 500
    sentence = _("An unexpected error occurred. It has been recorded.")


class MaintenanceError(RetriableError):
    """The operator has set ``MAINTENANCE``."""

    code = "maintenance"
    retry_after = 300
    sentence = _(
        "PneumoniApp is being worked on and will be back soon. What you sent before is safe."
    )


class FileFailedError(RetriableError):
    """A file or folder that an operator named, or the disk below it, fails a command."""

    code = "file_failed"
    sentence = _("%(file)s cannot be read or written: %(reason)s.")


class DatabaseFailedError(RetriableError):
    """A command meets a database that does not answer, or that was never set up."""

    code = "database_failed"
    sentence = _("The database cannot be used: %(reason)s. Was it set up (manage.py migrate)?")


class DatabaseBusyError(RetriableError):
    """Two wanted the same rows at once, and the database let the other one go first."""

    code = "database_busy"
    retry_after = 2
    sentence = _(
        "Something else is changing the same data at this moment. Nothing was saved: try again."
    )

    # Of MariaDB: a row changed meanwhile, the wait for a lock was too long, a deadlock.
    NUMBERS = (1020, 1205, 1213)

    @classmethod
    def fits(cls, error: BaseException) -> bool:
        """Whether ``error`` is what a driver raises then; its transaction is undone."""
        if not isinstance(error, OperationalError):
            return False
        told = error.args[0] if error.args else ""
        return told in cls.NUMBERS or str(told).startswith("database is locked")


def sentence_for(code: str, params: dict | None = None) -> str:
    """The translated sentence of a stored error ``code``; the unexpected one if it is unknown."""
    return str(REGISTRY.get(code, UnexpectedError)(**(params or {})))
