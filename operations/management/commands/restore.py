"""``manage.py restore``: one backup into an empty system."""

from __future__ import annotations

from operations.audit.anchors import anchor_write
from operations.audit.digest import BEGINNING
from operations.backup.repository import Repository
from operations.backup.restoring import Target, backup_restore
from operations.backup.terminal import Line
from operations.backup.tombstones import after_restore_run
from operations.errors import BackupNotFoundError
from operations.models import AuditHead
from operations.services import access_record
from pneumoniapp.commands import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Restores a backup into a migrated system without rows; refuses any other. All of it "
        "or nothing: rows, checksums and files are verified before it counts."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("backup", help="a name that `manage.py backups` lists, or latest")

    def handle(self, *, backup: str, **options) -> None:
        line = Line(self.stderr)
        try:
            repository = Repository.configured()
            if backup == "latest":
                backup = next(iter(repository.manifests()), "")
                if not backup:
                    raise BackupNotFoundError
            done = backup_restore(repository, backup, target=Target(), progress=line)
        finally:
            line.end()
        access_record(
            actor=None, action="create", object_type="operations.restore", object_id=done.name
        )
        head = AuditHead.objects.first() or AuditHead(chain=BEGINNING)
        # What was recorded after the backup is lost, and that is known.
        anchor_write(position=head.position, chain=head.chain, restored=True)
        again = after_restore_run()
        for lost in done.missing:
            self.stdout.write(
                f"{lost['reason']}\t{lost['name']}\t{lost['model']} {lost['pk']}\t{lost['column']}"
            )
        self.stdout.write(
            f"{done.name} restored and verified: {done.rows} rows in {done.tables} tables, "
            f"{done.files} files, {done.models} model files, {len(done.missing)} missing."
        )
        if again:
            self.stdout.write(f"{again} patients who were erased since were erased again.")
