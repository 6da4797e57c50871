"""What may go wrong with backups and the record of access, for an administrator."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from pneumoniapp.errors import PermanentError, RetriableError


class AuditAppendOnlyError(PermanentError):
    code = "audit_append_only"
    status = 409
    sentence = _("The record of access is only ever added to: nothing in it changes or goes.")


class AuditContentChangedError(PermanentError):
    code = "audit_content_changed"
    status = 409
    sentence = _(
        "Access event %(event)s (position %(position)s) is not what was recorded, or was "
        "recorded without the key."
    )


class AuditLinkBrokenError(PermanentError):
    code = "audit_link_broken"
    status = 409
    sentence = _("The record of access is broken at position %(position)s (event %(event)s).")


class AuditEventMissingError(PermanentError):
    code = "audit_event_missing"
    status = 409
    sentence = _("The record of access misses %(count)s events from position %(position)s on.")


class AuditCutOffError(PermanentError):
    code = "audit_cut_off"
    status = 409
    sentence = _(
        "The record of access ends at position %(position)s, but it once reached %(last)s: its "
        "end was cut off."
    )


class AuditAnchorsUnsoundError(PermanentError):
    code = "audit_anchors_unsound"
    status = 409
    sentence = _("%(count)s lines of AUDIT_ANCHOR_FILE were not written by this installation.")


class AuditTooLongError(RetriableError):
    code = "audit_took_too_long"
    sentence = _(
        "The verification did not end within the time that a worker has. Run it with "
        "`manage.py verify_audit`, which has no limit."
    )


class FileKeysInvalidError(PermanentError):
    code = "file_keys_invalid"
    status = 503
    sentence = _("Key %(number)s of FILE_KEYS is not 32 bytes in base64.")


class FileKeyUnknownError(RetriableError):
    code = "file_key_unknown"
    status = 503
    sentence = _("A stored file was encrypted with key %(key)s, which is not in FILE_KEYS.")


class FileDamagedError(PermanentError):
    code = "file_damaged"
    status = 503
    sentence = _("A stored file is not what was stored: it was cut, changed or exchanged.")


class BackupNotConfiguredError(PermanentError):
    code = "backup_not_configured"
    status = 409
    sentence = _("Backups are off: BACKUP_KEYS is not set.")


class BackupKeysInvalidError(PermanentError):
    code = "backup_keys_invalid"
    status = 500
    sentence = _(
        "Key number %(number)s of BACKUP_KEYS is none: it must be 32 bytes as URL-safe Base64, "
        "as `manage.py backup --new-key` prints it."
    )


class BackupRunningError(PermanentError):
    code = "backup_running"
    status = 409
    sentence = _("A backup is being made already.")


class BackupNotFoundError(PermanentError):
    code = "backup_not_found"
    status = 404
    sentence = _("There is no backup of this name.")


class BackupKeyUnknownError(PermanentError):
    code = "backup_key_unknown"
    status = 409
    sentence = _(
        "This backup was made with the key %(key)s, which BACKUP_KEYS does not have: add the "
        "earlier key behind the present one."
    )


class BackupDamagedError(PermanentError):
    code = "backup_damaged"
    status = 409
    sentence = _("The backup is damaged: its part %(part)s is not what was written.")


class BackupPartMissingError(PermanentError):
    code = "backup_part_missing"
    status = 409
    sentence = _("The backup is damaged: its part %(part)s is missing.")


class BackupFormatError(PermanentError):
    code = "backup_format_unknown"
    status = 409
    sentence = _("This backup has the format %(format)s, which this program does not know.")


class BackupStorageFullError(RetriableError):
    code = "backup_storage_full"
    status = 507
    sentence = _("The storage of the backups is full. The earlier backups are as they were.")


class BackupStorageFailedError(RetriableError):
    code = "backup_storage_failed"
    sentence = _("The storage of the backups does not answer or refuses to work.")


class BackupInterruptedError(RetriableError):
    code = "backup_interrupted"
    sentence = _("The backup ended before it was whole: its process was stopped.")


class BackupTooLongError(RetriableError):
    code = "backup_took_too_long"
    sentence = _(
        "The backup did not end within the time that a worker has (BACKUP_TIME_LIMIT). Make it "
        "with `manage.py backup`, which has no limit."
    )


class BackupNotSentError(RetriableError):
    code = "backup_not_sent"
    sentence = _("The backup could not be given to a worker: the broker does not answer.")


class BackupFilesMissingError(PermanentError):
    code = "backup_files_missing"
    status = 409
    sentence = _(
        "%(count)s files that the database names could not be read: they are not in this backup."
    )


class BackupFileUnreadableError(PermanentError):
    """One source file; the backup goes on without it and is incomplete."""

    code = "backup_file_unreadable"
    sentence = _("A file that the database names could not be read.")


class RestoreNotEmptyError(PermanentError):
    code = "restore_not_empty"
    status = 409
    sentence = _(
        "This system is not empty (%(tables)s): a backup is restored into a new, migrated "
        "database alone. Nothing was changed."
    )


class RestoreOtherVersionError(PermanentError):
    code = "restore_other_version"
    status = 409
    sentence = _(
        "The backup was made by another version of the program: %(count)s migrations differ, "
        "the first is %(first)s. Install the version of the backup, restore, then update. "
        "Nothing was changed."
    )


class RestoreFileInTheWayError(PermanentError):
    code = "restore_file_in_the_way"
    status = 409
    sentence = _(
        "The file %(name)s is there already, with another content. Name an empty folder. "
        "Nothing was changed."
    )


class RestoreDiffersError(PermanentError):
    code = "restore_differs"
    status = 409
    sentence = _(
        "What was restored into %(table)s is not what the backup holds. Nothing was changed."
    )


class RestoreDatabaseError(PermanentError):
    code = "restore_database_refused"
    status = 409
    sentence = _("The database refused what the backup holds. Nothing was changed.")


class RestoreStorageError(RetriableError):
    code = "restore_storage_failed"
    sentence = _(
        "The files could not be written: the storage is full or refuses to work. Nothing was "
        "changed."
    )
