"""``manage.py dataset``: build, check and look at datasets."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.utils.translation import override

from inference.models import LABELS
from ml_training.commands import LaboratoryCommand
from ml_training.files import check_writable_folder
from pneumoniapp.commands import coded_line, file_fault
from pneumoniapp.errors import RetriableError


class Command(LaboratoryCommand):
    help = (
        "Build a dataset of labelled radiographs, check one, find what patients do not allow (any "
        "more), or write a report about one."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        build = actions.add_parser("build", help="render, split and checksum labelled radiographs")
        source = build.add_mutually_exclusive_group(required=True)
        source.add_argument(
            "--challenge",
            type=Path,
            metavar="FOLDER",
            help="stage_2_detailed_class_info.csv, stage_2_train_labels.csv and DICOM files",
        )
        source.add_argument(
            "--index",
            type=Path,
            metavar="CSV",
            help="columns label, file, and if known patient, image_id, sex, age, view, origin, "
            "split; files (DICOM, PNG, JPEG) relative to the CSV",
        )
        source.add_argument(
            "--reviews", action="store_true", help="the doctors' judgements in the database"
        )
        build.add_argument("--out", type=Path, required=True, metavar="FOLDER")
        build.add_argument("--name", default="", help="default: the name of the folder")
        build.add_argument(
            "--images", type=Path, metavar="FOLDER", help="the challenge's DICOM files"
        )
        build.add_argument(
            "--patients",
            type=Path,
            metavar="CSV",
            help="which person each image is of: patientId (or image_id), nih_patient (or patient)",
        )
        build.add_argument("--terms", default="", help="terms of use of the images of --index")
        build.add_argument("--seed", type=int, default=42)
        build.add_argument("--validation", type=float, default=0.2, metavar="SHARE")
        build.add_argument("--test", type=float, default=0.0, metavar="SHARE")
        build.add_argument(
            "--max-side", type=int, metavar="PIXELS", help="shrink larger images to this"
        )
        build.add_argument("--workers", type=int, help="threads (default: one a core)")
        check = actions.add_parser("check", help="compare a dataset with its checksums and counts")
        check.add_argument("folder", type=Path)
        consents = actions.add_parser(
            "consents", help="list the images whose patients do not allow their use (any more)"
        )
        consents.add_argument("folder", type=Path, help="a dataset built with --reviews")
        report = actions.add_parser("report", help="one HTML file that shows what is in a dataset")
        report.add_argument("dataset", type=Path, help="a dataset folder or an index CSV")
        report.add_argument("--out", type=Path, required=True, metavar="HTML")
        report.add_argument(
            "--language", choices=[code for code, _name in settings.LANGUAGES], default="en"
        )

    def handle(self, *, action: str, verbosity: int, **options) -> None:
        self.quiet = verbosity == 0
        # An operator's output is in one language; a report has its own.
        with override("en"):
            getattr(self, action)(**options)

    def build(self, *, out: Path, **options) -> None:
        from ml_training.dataset_build import build_dataset, cores

        if options["max_side"] is not None and options["max_side"] < 64:
            raise CommandError("--max-side is 64 at least.")
        check_writable_folder(out.parent)
        source = self.source(**options)
        for reason, number in sorted(source.dropped.items()):
            self.stdout.write(f"left out: {number} {reason}")
        try:
            facts = build_dataset(
                source,
                out,
                progress=self.progress,
                workers=max(1, options["workers"] or cores()),
                **{key: options[key] for key in ("seed", "validation", "test", "max_side", "name")},
            )
        except (OSError, RetriableError, KeyboardInterrupt) as error:
            coded = error if isinstance(error, RetriableError) else file_fault(error)
            what = coded_line(coded) if coded else str(error) or "Interrupted."
            raise CommandError(
                f"{what} {out} was not built; the same command takes it up where it stopped."
            ) from error
        for image, code in facts["refused"]["images"].items():
            sentence = facts["refused"]["sentences"][image]
            self.stdout.write(f"refused: {image} {code}: {sentence}")
        for note in facts["notes"]:
            self.stdout.write(f"note: {note}")
        self.summary(facts)
        self.stdout.write(f"{out}")

    def source(self, *, challenge, index, reviews, images, patients, terms, **_options):
        from ml_training.sources import index_source
        from ml_training.sources_challenge import challenge_source
        from ml_training.sources_reviews import reviews_source

        given = {"--images": images, "--patients": patients, "--terms": terms}
        for option, sources in {
            "--images": (challenge,),
            "--patients": (challenge, index),
            "--terms": (index,),
        }.items():
            if given[option] and not any(sources):
                raise CommandError(f"{option} does not go with this source.")
        if challenge:
            return challenge_source(challenge, images=images, patients=patients)
        if index:
            return index_source(index, patients=patients, terms=terms)
        return reviews_source()

    def check(self, *, folder: Path, **_options) -> None:
        from ml_training.dataset_check import check_dataset

        facts = check_dataset(folder, report=self.stderr.write, progress=self.progress)
        self.summary(facts)
        self.stdout.write("every checksum, split and count holds")

    def consents(self, *, folder: Path, **_options) -> None:
        from ml_training.consents import images_to_drop

        dropped = 0
        for row, reason in images_to_drop(folder):
            dropped += 1
            self.stdout.write(f"drop: {row['image_id']} {row['file']} {reason}")
        if dropped:
            raise CommandError(f"{dropped} images must be dropped: build the dataset anew.")
        self.stdout.write("every image may be used")

    def report(self, *, dataset: Path, out: Path, language: str, **_options) -> None:
        from ml_training.data_report import write_report

        with override(language):
            for warning in write_report(dataset, out, progress=self.progress):
                self.stdout.write(f"warning: {warning}")
        self.stdout.write(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")

    def summary(self, facts: dict) -> None:
        for split, number in facts["images"].items():
            if number:
                classes = ", ".join(f"{label} {facts['counts'][split][label]}" for label in LABELS)
                patients = facts["patients"][split]
                self.stdout.write(f"{split}: {number} images of {patients} patients ({classes})")
        self.stdout.write(f"fingerprint {facts['fingerprint']}")

    def progress(self, items: Iterable, total: int) -> Iterator:
        from tqdm import tqdm

        # In a log, where each state is a line, a line every ten seconds.
        wait = 0.1 if sys.stderr.isatty() else 10
        return iter(tqdm(items, total=total, unit="image", mininterval=wait, disable=self.quiet))
