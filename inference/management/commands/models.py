"""``manage.py models``: list the registered model versions, register one, show a card."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from django.core.management.base import CommandError

from inference.errors import AlreadyInProductionError
from inference.model_card_markdown import LANGUAGES, card_markdown
from inference.models import ModelVersion
from inference.registry import names_folder, read_facts, shipped_directories, version_get
from inference.selectors import model_production, model_versions_list
from inference.services import model_promote, model_register
from pneumoniapp.commands import OperatorCommand, coded_line
from pneumoniapp.errors import CodedError


class Command(OperatorCommand):
    help = "List the registered model versions, register a model folder, or show a model card."

    def add_arguments(self, parser) -> None:
        actions = parser.add_subparsers(dest="action")
        listing = actions.add_parser("list", help="every registered version, newest first")
        listing.add_argument("--json", action="store_true", help="one JSON object a line")
        register = actions.add_parser("register", help="copy model folders into the model storage")
        register.add_argument("folder", nargs="*", help="a folder with facts.json and its files")
        register.add_argument(
            "--shipped", action="store_true", help="the folders that come with the program"
        )
        register.add_argument(
            "--promote-if-none",
            action="store_true",
            help="put the last one into production when no version is",
        )
        card = actions.add_parser("card", help="the model card, as Markdown")
        card.add_argument("model", metavar="NAME:VERSION|FOLDER")
        card.add_argument("--language", choices=LANGUAGES, default=LANGUAGES[0])
        card.add_argument("--out", type=Path, help="write it here")

    def handle(self, *args, **options) -> None:
        if options["action"] == "register":
            self.register(**options)
        elif options["action"] == "card":
            self.card(**options)
        else:
            self.list(as_json=options.get("json", False))

    def list(self, *, as_json: bool) -> None:
        for version in model_versions_list():
            facts = {
                "model": str(version),
                "in_production": bool(version.in_production),
                "registered_at": version.registered_at.isoformat(),
                "architecture": version.architecture,
                "sha256": version.sha256,
            }
            if as_json:
                self.stdout.write(json.dumps(facts))
            else:
                mark = "*" if version.in_production else " "
                self.stdout.write(
                    f"{mark} {facts['model']}  {facts['architecture']}  "
                    f"{facts['registered_at'][:19]}  {facts['sha256'][:12]}"
                )

    def register(self, *, folder, shipped: bool, promote_if_none: bool, **_options) -> None:
        folders = [*folder, *(shipped_directories() if shipped else [])]
        if not folders:
            raise CommandError("No model folder given or shipped.")
        version: ModelVersion | None = None
        for path in folders:
            try:
                version = model_register(directory=path)
                if path == folders[-1] and promote_if_none and model_production() is None:
                    version = self.promote(version)
            except CodedError as error:
                raise CommandError(f"{path}: {coded_line(error)}") from error
            state = "in production" if version.in_production else "registered"
            self.stdout.write(f"{version} {state}")

    def card(self, *, model: str, language: str, out: Path | None, **_options) -> None:
        try:
            facts = read_facts(Path(model)) if names_folder(model) else version_get(model).facts
        except CodedError as error:
            raise CommandError(f"{model}: {coded_line(error)}") from error
        text = card_markdown(facts, language=language)
        if out is None:
            self.stdout.write(text)
            return
        out.write_text(text, encoding="utf-8")
        self.stdout.write(str(out))

    def promote(self, version: ModelVersion) -> ModelVersion:
        with suppress(AlreadyInProductionError):  # Another process started beside this one.
            model_promote(model_version=version)
        version.refresh_from_db()
        return version
