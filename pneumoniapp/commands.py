"""What the commands for operators have in common: how they say what went wrong."""

from __future__ import annotations

import errno
import os

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError
from django.utils.translation import override

from .errors import CodedError, DatabaseFailedError, FileFailedError

# Faults of a disk that libraries (h5py, TensorFlow) pass on as text inside errors of their own.
_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class OperatorCommand(BaseCommand):
    """What goes wrong is a line ``code: sentence`` in English, and the exit status 1.

    An operator's output is in one language; a traceback is for what nobody foresaw.
    """

    def execute(self, *args, **options):
        try:
            return super().execute(*args, **options)
        except CommandError:
            raise
        except CodedError as error:
            raise CommandError(coded_line(error)) from error
        except (OperationalError, ProgrammingError) as error:
            fault = DatabaseFailedError(reason=f"{error}".rstrip("."))
            raise CommandError(coded_line(fault)) from error
        except Exception as error:
            fault = file_fault(error)
            if fault is None:
                raise
            raise CommandError(coded_line(fault)) from error


def coded_line(error: CodedError) -> str:
    """``code: sentence`` in English, whatever language is active."""
    with override("en"):
        return f"{error.code}: {error}"


def file_fault(error: BaseException) -> FileFailedError | None:
    """The coded error of a file that cannot be read or written, if that is what ``error`` is."""
    if isinstance(error, OSError) and error.errno:
        return FileFailedError(
            file=error.filename or "A file", reason=os.strerror(error.errno).lower()
        )
    text = str(error)
    reason = next((os.strerror(n) for n in _DISK_FAULTS if os.strerror(n) in text), None)
    return reason and FileFailedError(file="A file", reason=reason.lower())
