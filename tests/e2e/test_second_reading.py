"""A second reader: asked by their address, at odds with the first, decided by an administrator."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.accounts.factories import PASSWORD
from tests.e2e.world import World


def test_two_doctors_differ_and_an_administrator_decides(open_browser, stack, radiographs):
    world = World.build(stack, radiographs(1))
    reading = f"/radiographs/{world.radiographs[0]}/"
    with world.api() as api:
        found = api.get(reading).json()["analysis"]
    analysis, label = found["id"], found["label"]

    owner = open_browser(language="fr")
    owner.log_in(world.emails["doctor"], PASSWORD)
    owner.page.goto(reading)
    owner.page.click(".judging-ask summary")
    owner.page.fill("#id_address", world.emails["new"])
    owner.page.click(".judging-ask form button")
    expect(owner.page.locator(".second-asked li")).to_have_count(1)
    owner.shot("asked")

    colleague = open_browser(width=360)
    page, _ = colleague.page, colleague._
    colleague.log_in(world.emails["new"], PASSWORD, onto=re.compile("."))
    page.goto("/second-readings/")
    expect(page.locator(".second-list")).to_contain_text(_("Waits for your judgement"))
    page.click(".second-list .row-link")
    page.wait_for_url(f"**{reading}")
    # The owner has judged; how is not told to who has not.
    expect(page.locator("#review")).to_contain_text(
        _("Another doctor has judged this reading: you see how once you have judged it yourself.")
    )
    assert "IPP-2041" not in page.content()
    colleague.contest(other_than=label)
    page.click("#contest button.btn-primary")
    expect(page.locator(".judging-outcome[data-state=differ]")).to_be_visible()
    expect(page.locator(".reviews li")).to_have_count(2)
    colleague.shot("differ")

    admin = open_browser()
    admin.log_in(world.emails["admin"], PASSWORD, onto=re.compile("/admin/"))
    admin.page.goto("/admin/inference/analysis/?judgements=differ")
    admin.page.check(f".action-select[value='{analysis}']")
    admin.page.select_option("select[name=action]", "decide_not_normal")
    admin.page.click("button[name=index]")
    expect(admin.page.locator(".messagelist .success")).to_be_visible()

    owner.page.goto(reading)
    expect(owner.page.locator(".judging-outcome")).not_to_have_attribute("data-state", "differ")
    expect(owner.page.locator(".reviews li")).to_have_count(3)
    owner.shot("decided")
    owner.page.click(".second-asked form button")
    expect(owner.page.locator(".second-asked")).to_have_count(0)
    colleague.expected_status = {404}
    assert page.goto(reading).status == 404
