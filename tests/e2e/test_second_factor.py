"""A second factor is set up and used: an app, a recovery code, a security key."""

from __future__ import annotations

import re
import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import expect

from tests.accounts.factories import PASSWORD
from tests.e2e.test_accessibility import STILL, looked_at
from tests.e2e.world import World

THEMED = "html[data-bs-theme={theme}]"


def code_of(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def test_an_app_its_recovery_codes_and_a_key(open_browser, stack):
    world = World.build(stack, [])
    # A security key belongs to a name, never to an address of numbers.
    doctor = open_browser(language="fr", host="localhost", **STILL)
    page, found = doctor.page, []

    def look(name: str) -> None:
        doctor.shot(name)
        found.extend(looked_at(page, name, THEMED))

    def prove() -> None:
        page.wait_for_url("**/accounts/reauthenticate/**")
        page.fill("[name=password]", PASSWORD)
        page.click("main form .btn-primary")

    doctor.log_in(world.emails["new"], PASSWORD)
    page.goto("/account/")
    page.click("a[href='/accounts/2fa/']")
    page.click("a[href$='/totp/activate/']")
    prove()
    page.wait_for_url("**/totp/activate/")
    look("app")
    secret = page.locator("#totp-secret").inner_text()
    page.fill("[name=code]", code_of(secret))
    page.click("main form .btn-primary")
    page.wait_for_url("**/recovery-codes/")
    look("recovery-codes")
    codes = page.locator(".recovery-codes code").all_inner_texts()
    assert len(codes) == 10
    page.goto("/accounts/2fa/recovery-codes/generate/")
    look("new-codes")
    page.goto("/accounts/2fa/totp/deactivate/")
    look("take-away")

    # A security key that the browser plays.
    protocol = doctor.context.new_cdp_session(page)
    protocol.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "usb", "hasResidentKey": True}
    options |= {"hasUserVerification": True, "isUserVerified": True}
    protocol.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto("/accounts/2fa/webauthn/add/")
    look("add-a-key")
    page.fill("[name=name]", "Porte-clés")
    page.click("#mfa_webauthn_add")
    page.wait_for_url(re.compile("/accounts/2fa/$"))
    page.click("a[href='/accounts/2fa/webauthn/']")
    expect(page.locator("tbody th")).to_have_text("Porte-clés")
    look("keys")
    page.click("a[href$='/edit/']")
    look("rename")
    page.goto("/accounts/2fa/webauthn/")
    page.click("a[href$='/remove/']")
    look("remove")
    page.goto("/accounts/2fa/")
    look("second-factor")

    def log_out_and_in() -> None:
        page.goto("/accounts/logout/")
        page.click("main form button")
        doctor.log_in(world.emails["new"], PASSWORD, onto="**/2fa/authenticate/")

    log_out_and_in()
    look("asked")
    page.fill("[name=code]", codes[0])
    page.click("main form .btn-primary")
    page.wait_for_url(re.compile("/(radiographs|worklist)/"))
    log_out_and_in()
    page.click("#mfa_webauthn_authenticate")
    page.wait_for_url(re.compile("/(radiographs|worklist)/"))
    assert not found, "\n".join(found)
