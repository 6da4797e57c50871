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
