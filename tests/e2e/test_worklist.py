"""The worklist by keyboard: walk, open, come back, judge, and hear of new readings."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

READING = re.compile(r"/radiographs/[0-9a-f-]{36}/(#(review|contest))?$")

WAITING = """() => [...document.querySelectorAll(".worklist-counts strong")]
    .reduce((sum, count) => sum + Number.parseInt(count.textContent), 0)"""


def send(doctor, files) -> None:
    page = doctor.page
    page.goto("/readings/new/")
    doctor.new_patient(f"IPP-{time.time_ns() % 10**10}")
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", files)
    page.click("#send")
    if len(files) == 1:
        doctor.expect_reading()
    else:
        done = page.locator(".file-line .badge-certainty")
        expect(done).to_have_count(len(files), timeout=60_000)


def focused(page) -> str:
    """The id of the row in which the focus is."""
    return page.evaluate("document.activeElement.closest('tr')?.id ?? ''")


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (360, "dark")])
def test_the_worklist_by_keyboard(open_browser, radiographs, width, theme):
    doctor = open_browser(width=width, theme=theme)
    page, _ = doctor.page, doctor._
    doctor.log_in()
    files = radiographs(3)
    send(doctor, files[:2])
    page.get_by_role("link", name=_("Worklist"), exact=True).click()
    rows = page.locator("#worklist tbody tr")
    expect(rows.nth(1)).to_be_visible()
    doctor.shot("worklist")

    page.keyboard.press("j")
    first = focused(page)
    assert first == rows.first.get_attribute("id")
    page.keyboard.press("j")
    second = focused(page)
    assert second not in ("", first)
    page.keyboard.press("k")
    assert focused(page) == first

    page.keyboard.press("?")
    expect(page.locator("#worklist-keys")).to_be_visible()
    doctor.shot("keys")
    page.keyboard.press("j")
    page.keyboard.press("Escape")
    expect(page.locator("#worklist-keys")).to_be_hidden()
    assert focused(page) == first

    page.keyboard.press("x")
    assert page.locator("[name=radiograph]:checked").count() == 1
    page.locator("#worklist-all-box").check()
    assert page.locator("[name=radiograph]:checked").count() == rows.count()
    doctor.shot("selected")
    with page.expect_download() as download:
        page.get_by_role("button", name=_("Export the selected")).click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert len(lines) == 1 + rows.count()

    # Who types is left alone.
    page.locator(".filters-card summary").click()
    page.locator("[name=label]").focus()
    page.keyboard.press("j")
    assert focused(page) == ""

    page.locator(f"#{second} .row-link").focus()
    page.keyboard.press("o")
    page.wait_for_url(READING)
    page.locator(".page-header a[href^='/worklist/']").click()
    page.wait_for_url(re.compile(rf"/worklist/#{second.replace('row', 'open')}$"))
    page.wait_for_function("(id) => document.activeElement.closest('tr')?.id === id", arg=second)

    page.keyboard.press("c")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/#(review|contest)$"))
    page.go_back()
    page.locator(f"#{second} .row-link").focus()
    page.keyboard.press("a")
    row = page.locator(f"#{second}")
    # What does not name one class (as made up radiographs) is judged on its own page.
    page.wait_for_function(
        """(id) => /^#(review|contest)$/.test(location.hash)
            || document.querySelector(`#${id} .worklist-verdict`) !== null""",
        arg=second,
    )
    if "/worklist/" in page.url:
        expect(row).to_contain_text(_("Approved"))
        expect(page.locator("#worklist-said")).to_have_text(_("Your judgement is recorded."))
        assert focused(page) == second
        doctor.shot("approved")


def test_new_readings_are_announced_and_nothing_moves(open_browser, radiographs):
    doctor = open_browser()
    page, _ = doctor.page, doctor._
    doctor.log_in()
    first, second = radiographs(2)
    send(doctor, [first])
    page.goto("/worklist/")
    top = page.locator("#worklist").bounding_box()["y"]
    before = page.locator("#worklist tbody").inner_text()
    waiting = page.evaluate(WAITING)
    beside = page.context.new_page()
    doctor.page = beside
    send(doctor, [second])
    doctor.page = page
    expect(page.locator("#worklist-news")).to_contain_text("1 new reading", timeout=30_000)
    doctor.shot("news")
    assert page.locator("#worklist").bounding_box()["y"] == top
    assert page.locator("#worklist tbody").inner_text() == before
    page.locator("#worklist-news a").click()
    # The next page counts it, even where its row has its place on a later one.
    page.wait_for_function(f"(before) => ({WAITING})() === before + 1", arg=waiting)
    expect(page.locator("#worklist-news")).to_be_empty()
