"""CSV that spreadsheets open as it is meant."""

from __future__ import annotations

import csv
from collections.abc import Iterable

from django.utils.formats import get_format

# What makes a spreadsheet take a text for a formula, full-width forms included.
FORMULA_STARTS = frozenset("=+-@＝＋－＠")


def csv_text(rows: Iterable[list[str]]) -> str:
    """``rows`` as CSV lines for the spreadsheets of the reader's language."""

    class Text(list):
        write = list.append

    text = Text()
    # Where the comma is in numbers, spreadsheets part the columns by semicolons.
    delimiter = ";" if get_format("DECIMAL_SEPARATOR") == "," else ","
    csv.writer(text, delimiter=delimiter).writerows([safe(cell) for cell in row] for row in rows)
    return "".join(text)


def safe(cell: str) -> str:
    """``cell`` so that no spreadsheet takes it for a formula (CWE-1236)."""
    # Spreadsheets leave out what does not show before they look whether it is a formula.
    first = next((c for c in cell if c.isprintable() and not c.isspace()), "")
    return f"'{cell}" if first in FORMULA_STARTS or cell[:1] in {"\t", "\r", "\n"} else cell
