"""A doctor hears of what was read while doing something else, and finds judgements counted."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.accounts.factories import PASSWORD
from tests.e2e.test_accessibility import violations
from tests.e2e.world import World


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (360, "dark")])
def test_a_batch_is_told_of(open_browser, stack, radiographs, undecodable, width, theme):
    *files, later = radiographs(3)
    world = World.build(stack, files, undecodable)
    doctor = open_browser(width=width, theme=theme, reduced_motion="reduce")
    page, _ = doctor.page, doctor._
    # There are radiographs: the day begins at the worklist.
    doctor.log_in(world.emails["doctor"], PASSWORD, onto="**/worklist/")
    with page.expect_response("**/notices/*"):
        page.goto("/patients/")
    # The file that could not be read waits.
    expect(page.locator(".nav-count")).to_be_visible()
    expect(page.locator("#toasts [data-toast]")).to_have_count(0)

    field = page.locator("#patient-q")
    field.focus()
    with world.api() as api:
        world.send(api, later, patient=world.patients[0], acquired_on="2024-11-01")
    toast = page.locator("#toasts [data-toast]")
    expect(toast).to_be_visible(timeout=60_000)
    expect(toast).to_contain_text("1 radiograph that you sent has been read.")
    expect(field).to_be_focused()
    doctor.shot("toast")
    assert violations(page) == []
    toast.get_by_role("button", name=_("Dismiss")).click()
    expect(toast).to_have_count(0)
    expect(field).to_be_focused()


@pytest.mark.parametrize(("width", "theme"), [(1440, "light"), (360, "dark")])
def test_a_judgement_is_counted(open_browser, stack, radiographs, real_data, width, theme):
    """On real radiographs: one that is not like what the model knows is not counted."""
    world = World.build(stack, radiographs(2))
    doctor = open_browser(width=width, theme=theme, reduced_motion="reduce")
    page, _ = doctor.page, doctor._
    doctor.log_in(world.emails["doctor"], PASSWORD, onto="**/worklist/")
    page.get_by_role("link", name=_("Statistics"), exact=True).click()
    expect(page.locator(".stats-facts dd").first).to_have_text("1")
    page.locator(".stats-figure summary").click()
    expect(page.locator(".stats-figure tbody tr")).to_have_count(12 + 3)
    doctor.shot("statistics")
    page.locator("[name=period]").select_option("3")
    page.wait_for_url("**/statistics/?period=3")
    with page.expect_download() as download:
        page.get_by_role("link", name=_("The numbers as CSV")).click()
    assert len(download.value.path().read_text("utf-8-sig").splitlines()) == 1 + 3 * 3
