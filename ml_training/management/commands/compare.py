"""``manage.py compare RUN... --out report.html``: measure trained models side by side."""

from __future__ import annotations

import json
from pathlib import Path

from django.core.management.base import CommandError, CommandParser
from django.utils.translation import override

from ml_training.commands import LaboratoryCommand
from ml_training.files import check_writable_file, write_whole


class Command(LaboratoryCommand):
    help = (
        "Compare run folders or exported model folders on the same cases: one HTML file with "
        "every figure and its interval."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run or model folder")
        parser.add_argument("--out", type=Path, default=Path("comparison.html"), metavar="HTML")
        parser.add_argument("--json", type=Path, metavar="FILE", help="the figures as JSON too")
        parser.add_argument(
            "--index", type=Path, metavar="CSV", help="default: the one of the first run's config"
        )
        parser.add_argument("--split", choices=("test", "val"), default="test")
        parser.add_argument(
            "--boxes", type=Path, metavar="CSV", help="default: boxes.csv beside the index"
        )
        parser.add_argument(
            "--learning-curve",
            type=Path,
            metavar="JSON",
            dest="growth",
            help="a result of manage.py learning_curve, shown as well",
        )
        parser.add_argument("--language", choices=("fr", "en"), default="fr")

    def handle(self, *, runs: list[Path], out: Path, language: str, **options) -> None:
        from ml_training.comparison import compare
        from ml_training.comparison_report import figures_of, render

        wanted = {name: options[name] for name in ("index", "split", "boxes", "growth")}
        for path in [*runs, *(wanted[n] for n in ("index", "boxes", "growth") if wanted[n])]:
            if not path.exists():
                raise CommandError(f"{path} is not there.")
        for path in filter(None, (out, options["json"])):
            check_writable_file(path)
        comparison = compare(runs, say=self.say, **wanted)
        with override(language):
            write_whole(out, render(comparison))
        if options["json"]:
            write_whole(options["json"], json.dumps(figures_of(comparison), indent=2) + "\n")
        for candidate in comparison.candidates:
            found = comparison.figures[candidate.name][comparison.split]
            self.stdout.write(
                f"{candidate.name}: n {found['n']}"
                + "".join(
                    f" {name} {found[name]:.3f} ({low:.3f}-{high:.3f})"
                    for name in ("macro_auroc", "accuracy", "mean_class_accuracy", "ece")
                    for low, high in [found["intervals_95"][name]]
                    if found[name] is not None
                )
            )
        self.stdout.write(f"{out}")
