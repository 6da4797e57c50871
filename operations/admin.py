"""Operations in the admin: the record of access, backups, slow statements."""

from __future__ import annotations

from . import admin_anomalies, admin_audit, admin_backup, admin_queries  # noqa: F401
