"""A doctor who was refused asks again with a proof, and an administrator decides."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.accounts.factories import PASSWORD
from tests.e2e.world import World


def test_refused_asks_again_and_is_verified(open_browser, stack, tmp_path):
    world = World.build(stack, [])
    card = tmp_path / "card.pdf"
    card.write_bytes(b"%PDF-1.7\n")

    doctor = open_browser(language="fr", width=360)
    page, _ = doctor.page, doctor._
    doctor.log_in(world.emails["refused"], PASSWORD, onto="**/account/waiting/")
    page.set_input_files("[name=proof]", card)
    page.click("form[action$='/proof/'] button.btn-outline-primary")
    expect(page.locator("[name=remove]")).to_be_visible()
    doctor.shot("refused")
    page.click("form[action$='/apply/'] button")
    # Who waits may practise where nobody has to be verified, as here.
    page.wait_for_url(re.compile("/(radiographs|worklist)/"))

    admin = open_browser(language="fr")
    admin.log_in(world.emails["admin"], PASSWORD, onto=re.compile("/admin/"))
    admin.page.goto("/admin/accounts/doctor/?verification__exact=pending")
    admin.page.click(f"tr:has-text('{world.emails['refused']}') th a")
    admin.page.click(".object-tools a[href$='verification/']")
    with admin.page.expect_download() as saved:
        admin.page.click("a[href$='/proof/']")
    assert saved.value.path().read_bytes() == card.read_bytes()
    admin.shots.mkdir(parents=True, exist_ok=True)
    admin.page.screenshot(path=admin.shots / "decides.png", full_page=True)
    admin.page.check("[name=decision][value=verify]")
    admin.page.click("input[type=submit].default")
    expect(admin.page.locator(".messagelist .success")).to_be_visible()

    page.goto("/account/")
    expect(page.locator(".facts")).to_contain_text(_("verified"))
