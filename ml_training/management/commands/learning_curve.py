"""``manage.py learning_curve``: macro AUROC over the number of training patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from django.core.management.base import CommandError, CommandParser
from django.template.loader import render_to_string
from django.utils.translation import gettext, override

from ml_training.commands import LaboratoryCommand
from ml_training.errors import DatasetInvalidError
from ml_training.files import write_whole


class Command(LaboratoryCommand):
    help = (
        "Measure what more training patients are worth: refit the last layer of exported models "
        "or of a frozen backbone, or train a configuration, on parts of the patients."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("models", nargs="*", type=Path, metavar="MODEL", help="model folder")
        parser.add_argument(
            "--backbone",
            action="append",
            default=[],
            type=Path,
            metavar="CONFIG",
            help="refit on the frozen backbone of this configuration, as its weights come",
        )
        parser.add_argument(
            "--config",
            action="append",
            default=[],
            type=Path,
            metavar="CONFIG",
            help="train this configuration on each part of the patients (hours)",
        )
        parser.add_argument("--index", type=Path, metavar="CSV")
        parser.add_argument("--split", choices=("test", "val"), default="test")
        parser.add_argument("--shares", type=float, nargs="+", help="default: 1/16 1/8 1/4 1/2 1")
        parser.add_argument("--seeds", type=int, default=5)
        parser.add_argument(
            "--wanted", type=float, default=0.88, help="the macro AUROC that is wanted"
        )
        parser.add_argument("--out", type=Path, default=Path("learning_curve"), metavar="FOLDER")
        parser.add_argument("--language", choices=("fr", "en"), default="fr")

    def handle(self, *, models, out: Path, language: str, **options) -> None:
        configs = options["backbone"] + options["config"]
        if not models and not configs:
            raise CommandError("Name a model folder, --backbone CONFIG or --config CONFIG.")
        shares = options["shares"]
        if shares and not all(0 < share <= 1 for share in shares):
            raise CommandError("Shares are above 0 and at most 1.")
        if options["seeds"] < 1:
            raise CommandError("There is one seed at least.")
        from ml_training.runs import held

        with override(language), held(out):
            self._measure(models, out, options)

    def _measure(self, models: list[Path], out: Path, options: dict) -> None:
        from ml_training import learning_curve as curves
        from ml_training.cases import read_cases
        from ml_training.comparison_candidates import index_of, read_candidate
        from ml_training.comparison_report import growth_context
        from ml_training.config import Config

        backbones = [Config.read(path) for path in options["backbone"]]
        configs = [Config.read(path) for path in options["config"]]
        index = options["index"] or next(
            (c.index_path for c in backbones + configs), None
        ) or index_of([read_candidate(path) for path in models])  # fmt: skip
        if index is None or not index.exists():
            raise CommandError("No index of images (--index).")
        cases = read_cases(index)
        judged = cases[options["split"]]
        for split in ("train", "val", options["split"]):
            if not len(cases[split]):
                raise DatasetInvalidError(reason=f"{index.name} has no image of the split {split}")
        wanted = {
            "split": options["split"],
            "shares": tuple(options["shares"] or curves.SHARES),
            "seeds": options["seeds"],
            "say": self.say,
        }
        found = []
        for config in backbones:
            self.say(f"features of the backbone {config.architecture}")
            points = curves.refit_points(curves.backbone_features(config, cases), cases, **wanted)
            name = gettext("frozen backbone of %(name)s, last layer refitted") % {
                "name": config.architecture
            }
            found.append(curves.series(name, points, judged))
        for folder in models:
            self.say(f"features of {folder.name}")
            points = curves.refit_points(curves.served_features(folder, cases), cases, **wanted)
            name = gettext("%(name)s, last layer refitted") % {"name": folder.name}
            note = gettext(
                "This network's features were learned from all training patients: its curve "
                "shows what the last layer needs, not what the network would reach with fewer."
            )
            found.append(curves.series(name, points, judged, note=note))
        for config in configs:
            points = curves.trained_points(config, cases, out, **wanted)
            name = gettext("%(name)s, trained anew") % {"name": config.name}
            found.append(curves.series(name, points, judged))
        growth = {
            "split": options["split"],
            "patients": len(np.unique(cases["train"].patients)),
            "wanted": options["wanted"],
            "series": found,
        }
        write_whole(out / "learning_curve.json", json.dumps(growth, indent=2) + "\n")
        page = render_to_string("ml_training/learning_curve.html", growth_context(growth))
        write_whole(out / "learning_curve.html", page)
        for one in found:
            for mean in one["means"]:
                self.stdout.write(
                    f"{one['name']}: {mean['patients']} patients, {mean['images']} radiographs, "
                    f"macro_auroc {mean['mean']:.3f} "
                    f"({mean['lowest']:.3f}-{mean['highest']:.3f}, seeds {mean['seeds']})"
                )
            for ahead in one.get("law", {}).get("ahead", []):
                self.stdout.write(
                    f"{one['name']}: law at {ahead['patients']} patients "
                    f"{ahead['macro_auroc']:.3f} ({ahead['low']:.3f}-{ahead['high']:.3f})"
                )
        self.stdout.write(f"{out / 'learning_curve.html'}")
