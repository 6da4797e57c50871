"""``manage.py erase``: finish erasures, and repeat them after an older backup was restored."""

from __future__ import annotations

from inference.privacy.erasure import erasures_repeat, erasures_sweep
from patients.models import Erasure
from pneumoniapp.commands import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Removes the files of erased patients that are still there. With --again, erases who was "
        "erased before and came back with a backup (manage.py restore does it by itself)."
    )

    def add_arguments(self, parser) -> None:
        parser.add_argument("--again", action="store_true")

    def handle(self, *, again: bool, **options) -> None:
        if again:
            self.stdout.write(f"{erasures_repeat()} patients were erased again")
        erasures_sweep()
        states = Erasure.objects.values_list("state", flat=True).order_by()
        for state in Erasure.State.values:
            self.stdout.write(f"{state}\t{sum(one == state for one in states)}")
