"""``manage.py train CONFIG``: train a network and export it."""

from __future__ import annotations

import json
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandParser

from ml_training.commands import LaboratoryCommand
from pneumoniapp.commands import coded_line
from pneumoniapp.errors import REGISTRY


class Command(LaboratoryCommand):
    help = "Train a network from a YAML configuration and export it as a model folder."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "config",
            type=Path,
            help="such as ml_training/configs/mobilenetv2.yaml, or a facts.json",
        )
        parser.add_argument("--run", type=Path, help="run folder (default runs/NAME-VERSION)")
        parser.add_argument(
            "--finish", action="store_true", help="only export the best weights of --run"
        )
        parser.add_argument(
            "--devices",
            default="",
            help="share each batch, such as GPU:0,GPU:1 (default: all GPUs)",
        )

    def handle(
        self, *, config: Path, run: Path | None, finish: bool, devices: str, **options
    ) -> None:
        from ml_training import training
        from ml_training.config import Config

        read = Config.read(config)
        # Always the same folder, so that the same command takes up what was stopped.
        run = run or settings.BASE_DIR / "runs" / f"{read.name}-{read.version}"
        if finish:
            folder = training.finish(read, run)
        else:
            shared = tuple(name for name in devices.split(",") if name)
            folder = training.train(read, run, devices=shared)
        if folder == run:
            why = json.loads((run / "run.json").read_text())["not_servable"]
            self.stderr.write(coded_line(REGISTRY[why["code"]](**why["params"])))
        self.stdout.write(f"{folder}")
