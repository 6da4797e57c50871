"""Run by ``rendering``, in a process of its own: ``compiler.py FOLDER TEMPLATE FONTS SECONDS``.

Writes the PDF of ``FOLDER/report.json`` to the standard output. Imports nothing of ours, so
that it starts in a few hundredths of a second.
"""

import sys
from pathlib import Path

import typst


def main(folder: str, template: str, fonts: str, seconds: str) -> None:
    pdf = typst.compile(
        Path(template).read_bytes(),
        root=folder,
        font_paths=typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts]
        ),
        ignore_system_fonts=True,
        format="pdf",
        pdf_standards=["ua-1"],
        timestamp=int(seconds),
    )
    sys.stdout.buffer.write(pdf)


if __name__ == "__main__":
    main(*sys.argv[1:])
