"""Why an archive, or one of the files in it, is refused; see :mod:`pneumoniapp.errors`."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError

# --- The archive as a whole ---------------------------------------------------------------


class ArchiveBrokenError(PermanentError):
    """Its directory is missing, contradicts itself, or describes one region twice."""

    code = "archive_broken"
    sentence = _("The archive is damaged or incomplete. Make it again and send it once more.")


class ArchiveTooLargeError(PermanentError):
    """``limit`` in MiB."""

    code = "archive_too_large"
    status = 413
    sentence = _("The archive is larger than the %(limit)s MiB allowed. Send it in parts.")


class ArchiveTooManyFilesError(PermanentError):
    """``limit``: files in one archive."""

    code = "archive_too_many_files"
    status = 413
    sentence = _("The archive holds more than the %(limit)s files allowed. Send it in parts.")


class ArchiveUnpacksTooLargeError(PermanentError):
    """``limit`` in MiB, of all files together."""

    code = "archive_unpacks_too_large"
    status = 413
    sentence = _("The archive unpacks to more than the %(limit)s MiB allowed. Send it in parts.")


class ArchiveEmptyError(PermanentError):
    code = "archive_empty"
    sentence = _("The archive holds no files.")


# --- One file in it -----------------------------------------------------------------------


class EntryEncryptedError(PermanentError):
    code = "archive_entry_encrypted"
    sentence = _("This file is locked with a password. Make the archive without one.")


class EntryPathError(PermanentError):
    """An absolute path, a way out of the archive, a link or a device."""

    code = "archive_entry_path"
    sentence = _("The archive gives this file a place outside of itself, or no plain file at all.")


class EntryTwiceError(PermanentError):
    code = "archive_entry_twice"
    sentence = _("The archive holds two files of this name. Only the first one was taken.")


class EntryMethodError(PermanentError):
    code = "archive_entry_method"
    sentence = _("This file is compressed in a way that is not supported.")


class EntryRatioError(PermanentError):
    code = "archive_entry_ratio"
    sentence = _("This file unpacks to far more than a radiograph can hold.")


class EntryDamagedError(PermanentError):
    """Its checksum is wrong, or its bytes end early."""

    code = "archive_entry_damaged"
    sentence = _("This file is damaged in the archive: its checksum is wrong or its end missing.")


class EntryArchiveError(PermanentError):
    code = "archive_entry_archive"
    sentence = _("This is an archive in the archive: unpack it and send it by itself.")
