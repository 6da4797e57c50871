"""What a doctor takes away: the report as PDF, the DICOM file, and the page on paper."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import expect
from pypdf import PdfReader


@pytest.mark.parametrize(("language", "theme"), [("en", "dark"), ("fr", "light")])
def test_a_reading_is_taken_away(open_browser, radiographs, language, theme):
    doctor = open_browser(language=language, theme=theme)
    page = doctor.page
    identifier = f"IPP-{time.time_ns() % 10**10}"
    doctor.log_in()
    page.goto("/readings/new/")
    doctor.new_patient(identifier)
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", radiographs(1))
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    said = doctor.expect_reading()

    report = PdfReader(downloaded(page, "a[href$='report.pdf']"))
    text = " ".join(report.pages[0].extract_text().split())
    assert identifier in text
    assert " ".join(said.split()) in text
    assert report.trailer["/Root"]["/Lang"] == language
    assert downloaded(page, "a[href$='image.dcm']").read_bytes()[128:132] == b"DICM"

    page.check("#map-switch")
    doctor.expect_picture(".viewer-map")
    on_paper(doctor, "reading")
    expect(page.locator(".viewer-radiograph")).to_be_visible()
    expect(page.locator(".bars-row")).to_have_count(3)
    expect(page.locator(".judging-approve")).to_be_hidden()
    expect(page.locator(".judging-contest")).to_be_hidden()
    page.emulate_media(media="screen")
    page.locator(".page-header a[href^='/patients/']").first.click()
    history = PdfReader(downloaded(page, "a[href$='report.pdf']"))
    assert identifier in history.pages[0].extract_text()
    on_paper(doctor, "patient")
    for name in ("radiographs", "patients", "worklist"):
        page.goto(f"/{name}/")
        on_paper(doctor, name)
        expect(page.locator("thead").first).to_be_visible()


def test_a_doctor_asks_for_mails(open_browser):
    doctor = open_browser(width=360, theme="dark")
    page = doctor.page
    doctor.log_in()
    page.goto("/account/")
    page.check("[name=mail_when_read]")
    doctor.shot("account")
    page.click("main form:has([name=mail_when_read]) button")
    expect(page.locator("#messages .alert")).to_be_visible()
    expect(page.locator("[name=mail_when_read]")).to_be_checked()
    page.uncheck("[name=mail_when_read]")
    page.click("main form:has([name=mail_when_read]) button")
    expect(page.locator("[name=mail_when_read]")).not_to_be_checked()


def downloaded(page, selector: str) -> Path:
    with page.expect_download() as download:
        page.locator(selector).first.click()
    return Path(download.value.path())


def on_paper(doctor, name: str) -> None:
    """The page as it is printed: no navigation, nothing to press, dark on white."""
    page = doctor.page
    page.emulate_media(media="print")
    for hidden in ("header.site-header", "footer", ".btn", "main nav"):
        for one in page.locator(hidden).all():
            expect(one).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for cell in page.locator("main :is(h1, p, th, td):visible").all():
        colour = cell.evaluate("node => getComputedStyle(node).color")
        assert max(map(int, re.findall(r"\d+", colour)[:3])) < 0xA8, (name, colour)
    doctor.shots.mkdir(parents=True, exist_ok=True)
    page.pdf(path=doctor.shots / f"{name}.pdf", prefer_css_page_size=True)
    assert len(PdfReader(doctor.shots / f"{name}.pdf").pages) >= 1
