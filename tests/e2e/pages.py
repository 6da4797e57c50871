"""Every page of the portal, and how a walk comes to it.

A GET route of ``tests.access_routes`` (which has every route) is either a page, with a row in
``WALK``, or stands in ``NO_PAGE``: a new route without either fails ``test_accessibility``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.e2e.world import World

# Answers to GET that are no pages of ours, and why.
NO_PAGE = {
    "favicon": "a picture",
    "set_language": "leads on",
    "operations:live": "for machines",
    "operations:ready": "for machines",
    "operations:metrics": "for machines",
    "inference:worklist_news": "a fragment of the worklist",
    "inference:status": "a fragment of the reading",
    "inference:result": "a fragment of a list",
    "inference:map": "a picture",
    "inference:notices": "a fragment of every page",
    "inference:statistics_csv": "a CSV file",
    "inference:report": "a PDF",
    "inference:patient_report": "a PDF",
    "radiology:preview": "a picture",
    "radiology:dicom": "a file",
    "radiology:depth": "pixels",
    "radiology:depth_state": "for the viewer's script",
    **dict.fromkeys(
        [
            "mfa_authenticate",
            "mfa_reauthenticate",
            "mfa_reauthenticate_webauthn",
            "mfa_activate_totp",
            "mfa_deactivate_totp",
            "mfa_view_recovery_codes",
            "mfa_generate_recovery_codes",
            "mfa_list_webauthn",
            "mfa_add_webauthn",
            "mfa_edit_webauthn",
            "mfa_remove_webauthn",
        ],
        "looked at by test_second_factor, which sets one up",
    ),
    "mfa_download_recovery_codes": "a text file",
    "account_set_password": "leads on: every account has a password",
    "account_confirm_login_code": "leads on: no codes are sent",
}


@dataclass(frozen=True)
class Stop:
    """One page in one state. ``then`` brings a page that has been opened into the state."""

    name: str
    who: str = "doctor"  # nobody, or a role of World.emails
    args: Callable[[World], list] = lambda world: []
    query: str = ""
    state: str = ""
    ready: str = "h1"
    then: Callable[[Page], None] | None = None
    status: int = 200
    path: Callable[[World], str] | None = None

    def address(self, world: World) -> str:
        if self.path:
            return self.path(world)
        return reverse(self.name, args=self.args(world)) + self.query

    def __str__(self) -> str:
        return f"{self.name}{f' ({self.state})' if self.state else ''}"


def patient(world: World) -> list:
    return [world.patients[0]]


def radiograph(world: World) -> list:
    return [world.radiographs[0]]


def failed(world: World) -> list:
    return [world.failed]


def two(world: World) -> str:
    """The comparison of two radiographs of the first patient."""
    query = f"?left={world.radiographs[-1]}&right={world.radiographs[0]}"
    return reverse("inference:compare", args=patient(world)) + query


def send_empty(page: Page) -> None:
    """The form of the page, sent without anything in it: what it says of that."""
    page.locator("main form[method=post] .btn-primary").last.click()
    expect(page.locator(".field-errors").first).to_be_visible()


def contest(page: Page) -> None:
    # Open already where the reading names no class to agree with.
    if not page.locator(".judging-contest[open]").count():
        page.click(".judging-contest summary")
    expect(page.locator("#contest")).to_be_visible()


def show_map(page: Page) -> None:
    page.check("#map-switch")
    page.wait_for_function("document.querySelector('.viewer-map').naturalWidth > 0")


def open_keys(page: Page) -> None:
    page.click("#worklist-keys-open")
    expect(page.locator("#worklist-keys")).to_be_visible()


def open_viewer_keys(page: Page) -> None:
    page.click("[data-viewer-act=help]")
    expect(page.locator("[data-viewer-help]")).to_be_visible()


def open_sample(page: Page) -> None:
    page.click("[data-opens=sample-dialog]")
    expect(page.locator("#sample-dialog")).to_be_visible()


def filtered(page: Page) -> None:
    page.locator("details.filters-card summary").click()


def reread(page: Page) -> None:
    page.locator("table [type=checkbox]").first.check()
    page.locator("[formaction*='read-again']").click()
    page.wait_for_url("**/read-again/")


def new_token(page: Page) -> None:
    page.fill("[name=name]", "Workstation")
    page.locator("main form .btn-primary").click()
    expect(page.locator("#token")).to_be_visible()


def search_nobody(page: Page) -> None:
    page.fill("#patient-q", "nobody has this")
    expect(page.locator("#patient-rows .empty-state")).to_be_visible()


def forged(page: Page) -> None:
    page.locator("main [name=csrfmiddlewaretoken]").evaluate("(field) => field.value = 'forged'")
    page.locator("main form .btn-primary").first.click()
    expect(page.locator(".error-page")).to_be_visible()


WALK = [
    Stop("landing", "nobody"),
    Stop("inference:help", "nobody"),
    Stop("account_login", "nobody"),
    Stop("account_login", "nobody", state="refused", then=send_empty),
    Stop("account_login", "nobody", state="forged", then=forged, status=403),
    Stop("account_signup", "nobody"),
    Stop("account_signup", "nobody", state="refused", then=send_empty),
    Stop("account_reset_password", "nobody"),
    Stop("account_reset_password_done", "nobody"),
    Stop(
        "account_reset_password_from_key",
        "nobody",
        state="no such link",
        path=lambda world: reverse("account_reset_password_from_key", args=["1", "unknown"]),
    ),
    Stop("account_reset_password_from_key_done", "nobody"),
    Stop("account_email_verification_sent", "nobody"),
    Stop("account_confirm_email", "nobody", lambda world: ["unknown"]),
    Stop("account_inactive", "nobody"),
    Stop("not found", "nobody", path=lambda world: "/nothing/here/", status=404),
    Stop("inference:help"),
    Stop("account_logout"),
    Stop("account_reauthenticate"),
    Stop("account_email"),
    Stop("account_change_password"),
    Stop("mfa_index"),
    Stop("accounts:account"),
    Stop("accounts:sessions"),
    Stop("accounts:tokens"),
    Stop("accounts:tokens", "new", state="first day"),
    Stop("accounts:tokens", state="refused", then=send_empty, status=422),
    Stop("accounts:tokens", state="made", then=new_token, status=201),
    Stop("accounts:program_token", args=lambda world: [world.program]),
    Stop("accounts:practice"),
    Stop("patients:emergency"),
    Stop("patients:emergency", state="refused", then=send_empty, status=422),
    Stop("accounts:practice", "new", state="first day"),
    Stop("accounts:waiting", "suspended"),
    Stop("accounts:waiting", "refused"),
    Stop("inference:design", "admin"),
    Stop("inference:design", "admin", state="dialog", then=open_sample),
    Stop("patients:list"),
    Stop("patients:list", state="none found", then=search_nobody),
    Stop("patients:create"),
    Stop("patients:create", state="refused", then=send_empty, status=422),
    Stop("patients:detail", args=patient),
    Stop("patients:update", args=patient),
    Stop("patients:accesses", args=patient),
    Stop("inference:patient_erasure", args=patient),
    Stop("inference:patient_erasure", args=patient, state="refused", then=send_empty, status=422),
    Stop("inference:new"),
    Stop("inference:list"),
    Stop("inference:list", query="?status=failed&since=2999-01-01", state="none found"),
    Stop("inference:worklist"),
    Stop("inference:worklist", state="filters", then=filtered),
    Stop("inference:worklist", state="keys", then=open_keys),
    Stop("inference:worklist", state="read again", then=reread),
    Stop("inference:worklist", query="?status=failed&since=2999-01-01", state="none found"),
    Stop("inference:reading", args=radiograph, ready="[data-viewer=ready]", then=show_map),
    Stop("inference:reading", args=radiograph, state="contest", then=contest),
    Stop("inference:reading", args=failed, state="failed"),
    Stop("inference:viewer", args=radiograph, ready="[data-viewer=ready]"),
    Stop(
        "inference:viewer",
        args=radiograph,
        ready="[data-viewer=ready]",
        state="keys",
        then=open_viewer_keys,
    ),
    Stop("inference:statistics"),
    Stop("inference:second_readings"),
    Stop("inference:compare", path=two, ready="[data-compare-bar=ready]"),
    Stop("inference:compare", args=patient, state="one failed"),
    Stop("inference:model_card", args=lambda world: world.model),
    Stop("inference:list", "new", state="first day"),
    Stop("inference:worklist", "new", state="first day"),
    Stop("patients:list", "new", state="first day"),
    Stop("inference:statistics", "new", state="first day"),
    Stop("inference:new", "new", state="first day"),
]
