"""Judging: read first and then see, keep one's class by a reason, and agree in the end."""

from __future__ import annotations

import time

from playwright.sync_api import expect


def test_a_doctor_reads_first_and_sees_after(open_browser, radiographs):
    doctor = open_browser(language="fr", width=360, theme="dark")
    page, _ = doctor.page, doctor._
    doctor.log_in()

    def read_first(on: bool) -> None:
        page.goto("/account/")
        page.set_checked("[name=read_first]", on)
        page.click("main form:has([name=read_first]) button")
        expect(page.locator("#messages .alert")).to_be_visible()
        assert page.locator("[name=read_first]").is_checked() == on

    read_first(True)
    try:
        page.goto("/readings/new/")
        doctor.new_patient(f"IPP-{time.time_ns() % 10**10}")
        page.fill("[name=acquired_on]", "2024-01-01")
        page.set_input_files("#id_files", radiographs(1))
        page.click("#send")
        expect(page.locator("#contest [name=label]")).to_have_count(3, timeout=30_000)
        expect(page.locator(".bars-row")).to_have_count(0)
        expect(page.locator(".viewer-map")).to_have_count(0)
        doctor.shot("withheld")
        page.get_by_label(_("Abnormal without opacity")).check()
        page.locator("#contest button").click()
        doctor.expect_reading()
        expect(page.locator(".reviews")).to_contain_text(_("before the reading was shown"))
        doctor.shot("revealed")
    finally:
        # The tests share this doctor.
        read_first(False)


def test_a_region_is_drawn_kept_and_shown_again(open_browser, radiographs):
    doctor = open_browser()
    page, _ = doctor.page, doctor._
    doctor.log_in()
    page.goto("/readings/new/")
    doctor.new_patient(f"IPP-{time.time_ns() % 10**10}")
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", radiographs(1))
    page.click("#send")
    doctor.expect_reading()
    expect(page.locator(".viewer")).to_have_attribute("data-viewer", "ready", timeout=60_000)
    doctor.open_contest()
    page.click("[data-region-draw]")
    expect(page.locator(".viewer-pane")).to_have_attribute("data-tool", "region")
    page.locator(".viewer-pane").scroll_into_view_if_needed()
    box = page.locator(".viewer-pane").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 60, middle[1] + 80, steps=4)
    page.mouse.up()
    expect(page.locator("[data-region-remove]")).to_be_visible()
    drawn = [float(value) for value in page.input_value("[data-region-input]").split(",")]
    assert all(abs(value - 0.5) < 0.01 for value in drawn[:2])
    assert 0.5 < drawn[2] < 1
    assert 0.5 < drawn[3] < 1
    doctor.shot("region-drawn")
    doctor.contest()
    page.click("#contest button.btn-primary")
    show = page.locator(".reviews [data-region]")
    expect(show).to_be_visible(timeout=60_000)
    assert [float(value) for value in show.get_attribute("data-region").split(",")] == drawn
    show.click()
    assert page.evaluate("document.querySelector('.viewer').viewer.overlay.regions") == [drawn]
    doctor.shot("region-shown")
