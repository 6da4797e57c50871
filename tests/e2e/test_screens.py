"""Every page on a small and a large screen, light and dark, in both languages, and looked at."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1440, "light")])
def test_every_page_fits(open_browser, radiographs, language, width, theme):
    doctor = open_browser(language=language, width=width, theme=theme)
    doctor.expected_status = {422}
    page = doctor.page
    for name, url in {
        "landing": "/",
        "log-in": "/accounts/login/",
        "sign-up": "/accounts/signup/",
        "reset": "/accounts/password/reset/",
    }.items():
        page.goto(url)
        doctor.shot(name)
    doctor.log_in()
    page.goto("/readings/new/")
    doctor.shot("new-reading")
    doctor.new_patient(f"IPP-{time.time_ns() % 10**10}")
    page.fill("[name=acquired_on]", "2024-01-01")
    page.set_input_files("#id_files", radiographs(1))
    expect(page.locator(".file-facts")).to_be_visible()
    doctor.shot("new-reading-filled")
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    doctor.expect_reading()
    page.check("#map-switch")
    doctor.expect_picture(".viewer-map")
    doctor.shot("reading")
    page.goto(page.url.partition("?")[0] + "viewer/")
    page.wait_for_selector("[data-viewer=ready]")
    doctor.shot("viewer")
    page.go_back()
    page.locator(".page-header a[href^='/patients/']").first.click()
    doctor.shot("patient")
    page.goto(page.url + "edit/")
    page.fill("[name=identifier]", "<>")
    page.click("main form button")
    doctor.shot("patient-edit-refused")
    for name, url in {
        "worklist": "/worklist/",
        "worklist-none": "/worklist/?status=failed&since=2999-01-01",
        "radiographs": "/radiographs/",
        "radiographs-none": "/radiographs/?status=failed&since=2999-01-01",
        "patients": "/patients/",
        "new-patient": "/patients/new/",
        "account": "/account/",
    }.items():
        page.goto(url)
        doctor.shot(name)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_admin_and_the_api_pages_obey_the_same_policy(open_browser, language):
    doctor = open_browser(language=language)
    page = doctor.page
    page.goto("/api/docs/")
    expect(page.locator(".swagger-ui .opblock").first).to_be_visible()
    page.goto("/accounts/login/")
    page.fill("[name=login]", "admin.demo@example.org")
    page.fill("[name=password]", "demonstration")
    page.click("main form button")
    page.wait_for_url("**/admin/")
    for name in (
        "accounts/doctor",
        "patients/patient",
        "radiology/radiograph",
        "inference/analysis",
        "inference/modelversion",
        "operations/accessevent",
    ):
        page.goto(f"/admin/{name}/")
        expect(page.locator("#content")).to_be_visible()
        first = page.locator("#result_list tbody th a")
        if first.count():
            first.first.click()
            expect(page.locator("#content")).to_be_visible()


def test_the_language_switch_stays(open_browser):
    doctor = open_browser(language="en")
    page = doctor.page
    page.goto("/")
    page.get_by_role("button", name="Français").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.goto("/accounts/login/")
    expect(page.locator("html")).to_have_attribute("lang", "fr")
