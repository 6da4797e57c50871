"""``manage.py train CONFIG``: train a network and export it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from pneumoniapp.errors import CodedError


class Command(BaseCommand):
    help = "Train a network from a YAML configuration and export it as a model folder."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "config", type=Path, help="such as ml_training/configs/mobilenetv2.yaml"
        )
        parser.add_argument("--run", type=Path, help="run folder (default runs/NAME-TIME)")
        parser.add_argument(
            "--finish", action="store_true", help="only export the best weights of --run"
        )

    def handle(self, *, config: Path, run: Path | None, finish: bool, **options) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            from ml_training import training
            from ml_training.config import Config
        except ImportError as error:
            raise CommandError(
                f"Training needs requirements/training.txt ({error.name} is missing)."
            ) from error
        try:
            read = Config.read(config)
            if finish:
                if run is None:
                    raise CommandError("--finish needs --run.")
                folder = training.finish(read, run)
            else:
                time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
                run = run or settings.BASE_DIR / "runs" / f"{read.name}-{time}"
                folder = training.train(read, run)
        except CodedError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{folder}")
