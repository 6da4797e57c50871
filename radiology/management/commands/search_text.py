"""Search radiographs for burned-in text that were read before the search was there.

manage.py search_text [--limit N]
"""

from __future__ import annotations

from pneumoniapp.commands import OperatorCommand
from pneumoniapp.errors import CodedError
from radiology.files import file_bytes
from radiology.models import Radiograph
from radiology.text_checks import text_record


class Command(OperatorCommand):
    help = "Search the radiographs that were not searched yet for burned-in text."

    def add_arguments(self, parser):
        parser.add_argument("--limit", type=int, help="search so many at most")

    def handle(self, *, limit: int | None = None, **options):
        from radiology.burned_in import regions_of
        from radiology.dicom import limited

        waiting = Radiograph.objects.filter(text_state="").order_by("pk").values_list("pk")[:limit]
        found = failed = 0
        for (pk,) in list(waiting):
            radiograph = Radiograph.objects.filter(pk=pk).only("file").first()
            if radiograph is None:  # erased meanwhile
                continue
            try:
                regions = regions_of(limited.render(file_bytes(radiograph.file)))
            except (CodedError, FileNotFoundError) as error:
                failed += 1
                self.stderr.write(f"{pk}: {getattr(error, 'code', 'file_missing')}")
                continue
            text_record(radiograph=radiograph, regions=regions)
            found += bool(regions)
        self.stdout.write(f"searched: {len(waiting) - failed}, to be looked at: {found}")
        if failed:
            self.stdout.write(f"not searched: {failed}")
