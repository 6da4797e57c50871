"""A doctor's first day: nothing is there yet, and a made-up radiograph to try it with."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.accounts.factories import PASSWORD
from tests.e2e.world import World


def test_from_the_empty_list_to_a_reading(open_browser, stack, tmp_path):
    world = World.build(stack, [])
    doctor = open_browser(language="fr", width=360, theme="dark")
    page = doctor.page
    doctor.log_in(world.emails["new"], PASSWORD)
    page.goto("/radiographs/")
    doctor.shot("first-day")
    with page.expect_download() as download:
        page.click(".sample-offer a")
    file = tmp_path / download.value.suggested_filename
    download.value.save_as(file)
    page.click(".empty-state .btn")
    doctor.new_patient("IPP-1")
    page.set_input_files("#id_files", file)
    expect(page.locator(".file-facts")).to_be_visible()
    page.click("#send")
    page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
    # As the offer has said: the model knows that it is no radiograph.
    expect(page.locator(".result-certainty")).to_have_attribute(
        "data-certainty", "unlike", timeout=30_000
    )
    doctor.shot("reading")
    page.click(".footer-links a")
    page.wait_for_url("**/help/")
    doctor.shot("help")
