"""``manage.py backups``: what lies in the repository."""

from __future__ import annotations

import json

from operations.backup.repository import Repository
from operations.backup.services import backup_remove
from operations.backup.terminal import size_text
from pneumoniapp.commands import OperatorCommand, coded_line
from pneumoniapp.errors import CodedError


class Command(OperatorCommand):
    help = (
        "Lists the backups in the repository, newest first; works on an empty system. With "
        "--remove removes one."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        parser.add_argument(
            "--remove",
            metavar="NAME",
            help="remove one, such as one that can't be read: the next backup frees its space",
        )

    def handle(self, **options) -> None:
        repository = Repository.configured()
        if options["remove"]:
            backup_remove(name=options["remove"])
            self.stdout.write(f"{options['remove']} removed.")
            return
        names = repository.manifests()
        for name in names:
            facts = _facts(repository, name)
            self.stdout.write(json.dumps(facts) if options["json"] else _line(facts))
        if not names:
            self.stderr.write("There is no backup.")


def _facts(repository: Repository, name: str) -> dict:
    try:
        manifest = repository.manifest_read(name)
    except CodedError as error:
        return {"name": name, "state": "unreadable", "error": coded_line(error)}
    return {
        "name": name,
        "state": "complete" if manifest["complete"] else "incomplete",
        "made_at": manifest["made_at"],
        "rows": sum(table["rows"] for table in manifest["tables"]),
        "files": manifest["files"]["count"],
        "missing": len(manifest["missing"]),
        "models": manifest["models"]["count"],
        "bytes": manifest["bytes_total"],
        "bytes_new": manifest["bytes_new"],
        "keys": manifest["keys"],
    }


def _line(facts: dict) -> str:
    if facts["state"] == "unreadable":
        return f"{facts['name']}\tunreadable\t{facts['error']}"
    size, new = size_text(facts["bytes"]), size_text(facts["bytes_new"])
    return (
        f"{facts['name']}\t{facts['state']}\t{facts['rows']} rows, {facts['files']} files "
        f"({facts['missing']} missing), {facts['models']} model files\t{size}, {new} new\t"
        f"key {', '.join(facts['keys'])}"
    )
