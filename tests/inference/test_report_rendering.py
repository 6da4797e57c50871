"""The PDF itself: tags for screen readers, and text that is nothing but text."""

import io

import pytest
from django.utils import translation
from fontTools.ttLib import TTFont
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject

from inference.errors import ReportFailedError
from inference.report.characters import FONTS, LONGEST_WORD, is_right_to_left, printable, shown
from inference.report.content import _lines, patient_report, reading_report
from inference.report.rendering import report_pdf
from tests.inference.factories import AnalysisFactory
from tests.inference.test_report import preview_jpeg

HOSTILE = '#panic() #read("/etc/passwd") $x$ *b* _i_ @ref <l> \\ // `raw` "q" {page} [[ ]] = - +'


def pdf_of(text: str) -> PdfReader:
    """A small report in which ``text`` is typed, named, and a cell."""
    parts = [
        {"kind": "facts", "rows": [{"name": "Name", "text": text}]},
        {"kind": "bullets", "items": [text]},
        {
            "kind": "judgements",
            "items": [{"verdict": text, "by": text, "lines": _lines(text)}],
        },
        {
            "kind": "rows",
            "widths": [1, 1],
            "header": ["A", "B"],
            "rows": [{"cells": [[text], [text]], "current": True}],
        },
    ]
    report = {"lang": "en", "title": "T", "description": "D", "page": "{page} of {pages}"}
    report |= {"disclaimer": "-", "sections": [{"heading": "H", "parts": parts}]}
    return PdfReader(io.BytesIO(report_pdf(report, {})))


def structure(reader: PdfReader) -> list[DictionaryObject]:
    """Every structure element, in reading order."""

    def walk(node):
        node = node.get_object()
        if isinstance(node, ArrayObject):
            for child in node:
                yield from walk(child)
        elif isinstance(node, DictionaryObject) and "/S" in node:
            yield node
            yield from walk(node.get("/K", ArrayObject()))

    return list(walk(reader.trailer["/Root"]["/StructTreeRoot"]["/K"]))


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_report_is_made_for_screen_readers(language):
    """PDF/UA-1: title, language, headings, tables with heads, a text for each picture."""
    analyses = [AnalysisFactory(radiograph__rows=256, radiograph__columns=224) for _ in range(2)]
    with translation.override(language):
        report = reading_report(
            analyses[0],
            analyses,
            made_by=analyses[0].radiograph.owner,
            pictures={"radiograph.jpg"},
            link=lambda path: f"https://example.org{path}",
        )
    reader = PdfReader(io.BytesIO(report_pdf(report, {"radiograph.jpg": preview_jpeg()})))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] == True  # noqa: E712 (pypdf's own boolean)
    assert root["/Lang"] == language
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712
    assert reader.metadata.title == report["title"]
    assert b"pdfuaid:part" in root["/Metadata"].get_object().get_data()
    found = structure(reader)
    kinds = [element["/S"] for element in found]
    assert kinds.count("/H1") == 1
    assert kinds.count("/H2") == 4
    assert kinds.count("/THead") == kinds.count("/Table") == 2
    texts = [element.get("/Alt") for element in found if element["/S"] == "/Figure"]
    assert len(texts) == 2  # the radiograph and the chart
    assert all(texts)


@pytest.mark.django_db
def test_a_report_of_two_thousand_characters_of_comment_loses_none():
    report = patient_report(
        AnalysisFactory().radiograph.patient, [], made_by="Doctor", link=lambda path: path
    )
    text = "word " * 200 + "§" * 1000
    item = {"verdict": "V", "by": "B", "lines": _lines(text)}
    report["sections"][0]["parts"].append({"kind": "judgements", "items": [item]})
    reader = PdfReader(io.BytesIO(report_pdf(report, {})))
    written = "".join(page.extract_text() for page in reader.pages)
    assert written.count("word") == 200
    assert written.count("§") == 1000


def test_what_people_type_is_text_and_nothing_else():
    written = " ".join(pdf_of(HOSTILE).pages[0].extract_text().split())
    assert HOSTILE in written
    assert "root:" not in written


@pytest.mark.parametrize(
    "text", ["مرحبا بك", "שלום עולם", "😀 👩‍⚕️ 中文", "a\u202eb\x00\x07", "\ufffe\ue000"]
)
def test_any_script_can_be_printed(text):
    assert pdf_of(text).pages


@settings(max_examples=25)
@given(st.text(min_size=1, max_size=60))
def test_no_text_breaks_the_file(text):
    assert pdf_of(text).pages


@settings(max_examples=25)
@given(st.lists(st.sampled_from(sorted(shown() - {0, 10, 13})), max_size=40))
def test_every_character_of_the_typeface_can_be_printed(points):
    assert pdf_of("".join(map(chr, points))).pages


def test_what_is_shown_is_what_both_typefaces_have():
    maps = [set(TTFont(path).getBestCmap()) for path in FONTS.glob("*.ttf")]
    assert len(maps) == 2
    assert shown() == set.intersection(*maps)


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("a\r\nb\u2028c", "a\nb\nc"),
        ("a\tb\u3000c\u00a0d", "a b c\u00a0d"),
        ("a\u202eb\x07", "ab"),
        ("中", "[U+4E2D]"),
        ("\ue000", "[U+E000]"),
        ("e\u0301", "é"),
        ("x" * (LONGEST_WORD + 1), "x" * LONGEST_WORD + "\u200bx"),
        ("x" * LONGEST_WORD, "x" * LONGEST_WORD),
    ],
)
def test_what_becomes_of_characters(typed, printed):
    assert printable(typed) == printed
    assert printable(printed) == printed


def test_the_first_letter_gives_the_direction():
    assert is_right_to_left("12 שלום abc")
    assert not is_right_to_left("12 abc שלום")
    assert not is_right_to_left("12")


def test_what_the_maker_refuses_is_an_error_that_quotes_nothing(caplog):
    with pytest.raises(ReportFailedError) as caught:
        report_pdf({"lang": "en", "title": "secret", "sections": "not a list"}, {})
    assert caught.value.__cause__ is None
    assert "secret" not in caplog.text
