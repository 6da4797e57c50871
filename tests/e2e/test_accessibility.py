"""WCAG 2.2 A and AA on every page, in both languages and both themes, as axe-core sees it."""

from __future__ import annotations

import re
from pathlib import Path

import axe_playwright_python
import pytest
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from playwright.sync_api import Page

from pneumoniapp.errors import MaintenanceError
from tests.accounts.factories import PASSWORD
from tests.e2e.browser import Doctor
from tests.e2e.conftest import radiograph_files
from tests.e2e.pages import WALK, Stop
from tests.e2e.world import World, undecodable_bytes

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
# A theme changes colours alone: the second one is looked at with the rules about colours.
RULES = {
    "light": {"type": "tag", "values": LEVELS},
    "dark": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]},
}
# A colour half-way from one theme to the other is nobody's.
STILL = {"reduced_motion": "reduce"}
# Django's tooltip of a list to choose from: a name on an element without a role.
RUN = """async (rules) => {
    const {violations} = await axe.run(
        {exclude: [".help-tooltip"]},
        {runOnly: rules, resultTypes: ["violations"], elementRef: false, preload: false});
    return violations.map(({id, nodes}) => [id, nodes.map(
        (node) => [node.target.join(" "), node.any.concat(node.all, node.none)[0]?.message])]);
}"""


def violations(page: Page, theme: str = "light") -> list[str]:
    """What axe-core finds on ``page`` as it stands, a line each.

    The script comes in beside the page, through the browser's own protocol: the page's
    Content-Security-Policy stays as it is.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    return [
        f"{rule}: {target} ({message})"
        for rule, nodes in page.evaluate(RUN, RULES[theme])
        for target, message in nodes
    ]


def visit(doctor: Doctor, stop: Stop, world: World, languages=("fr", "en")) -> list[str]:
    """Every fault of ``stop`` in both themes of each of ``languages``."""
    page = doctor.page
    doctor.expected_status = {stop.status, 422}
    found = []
    for language in languages:
        doctor.speak(language)
        page.emulate_media(color_scheme="light")
        page.goto(stop.address(world))
        page.wait_for_selector(stop.ready)
        if stop.then:
            stop.then(page)
        assert page.locator("html").get_attribute("lang") == language, stop
        found += looked_at(page, f"{stop}, {language}", "html[data-bs-theme={theme}]")
    return found


def looked_at(page: Page, what: str, themed: str = "") -> list[str]:
    """Every fault of ``page`` in both themes; ``themed`` is there when a theme has come."""
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        if themed:
            page.wait_for_selector(themed.format(theme=theme), state="attached")
        found += [f"{what}, {theme}: {fault}" for fault in violations(page, theme)]
    return found


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    broken = folder / "broken.dcm"
    broken.write_bytes(undecodable_bytes())
    return World.build(stack, radiograph_files(folder, 2), broken)


@pytest.mark.parametrize("who", dict.fromkeys(stop.who for stop in WALK))
def test_no_page_breaks_a_rule(open_browser, world, who):
    doctor = open_browser(**STILL)
    if who != "nobody":
        onto = re.compile(r"/(radiographs|worklist|account/|admin)")
        doctor.log_in(world.emails[who], PASSWORD, onto=onto)
    found = [fault for stop in WALK if stop.who == who for fault in visit(doctor, stop, world)]
    assert not found, "\n".join(found)


def test_a_reading_that_waits_breaks_no_rule(open_browser, world, stack, radiographs):
    doctor = open_browser(**STILL)
    doctor.log_in(world.emails["doctor"], PASSWORD)
    with stack.no_worker(), world.api() as api:
        known = {"patient": world.patients[0], "acquired_on": "2024-11-12"}
        sent = world.send(api, radiographs(1)[0], wait=False, **known)
        waiting = Stop(
            "inference:reading", args=lambda world: [sent["id"]], ready="#reading-panel .waiting"
        )
        found = visit(doctor, waiting, world)
    assert not found, "\n".join(found)


def test_no_page_of_the_administration_breaks_a_rule(open_browser, world):
    """Each list, and in it the first row, as far as there is one."""
    doctor = open_browser(**STILL)
    doctor.log_in(world.emails["admin"], PASSWORD, onto=re.compile("/admin/"))
    page, found = doctor.page, []
    names = [f"{one._meta.app_label}_{one._meta.model_name}" for one in admin.site._registry]
    lists = [reverse(f"admin:{name}_changelist") for name in names]
    for address in [reverse("admin:index"), reverse("admin:inference_review_statistics"), *lists]:
        page.goto(address)
        found += looked_at(page, address)
        row = page.locator("#result_list tbody th a").first
        if row.count():
            page.goto(row.get_attribute("href"))
            found += looked_at(page, f"{address}: a row")
        verification = page.locator(".object-tools a[href$='verification/']")
        if verification.count():
            verification.click()
            found += looked_at(page, f"{address}: verification")
    assert not found, "\n".join(found)


FAULTS = ("400", "403", "403_csrf", "413", "500", "503", "maintenance", "report")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_page_of_a_fault_breaks_a_rule(open_browser, stack, rf, language):
    """The pages that no address leads to: made here, shown as if the server had sent them."""
    request = rf.get("/")
    request.user = AnonymousUser()
    page, found = open_browser(**STILL).page, []
    made = {"content_type": "text/html"}
    page.route("**/fault/", lambda route: route.fulfill(**made))
    for name in FAULTS:
        with translation.override(language):
            context = {"error": MaintenanceError()}
            made["body"] = render_to_string(f"errors/{name}.html", context, request)
        page.goto(f"{stack.url}/fault/")
        assert page.locator("html").get_attribute("lang") == language
        found += looked_at(page, name, "html[data-bs-theme={theme}]")
    assert not found, "\n".join(found)


def test_a_fault_would_be_found(open_browser):
    page = open_browser(**STILL).page
    page.goto("/")
    page.evaluate("document.querySelector('h1').style.color = '#eee'")
    page.evaluate("document.querySelector('.brand img').removeAttribute('alt')")
    assert {line.partition(":")[0] for line in violations(page)} == {"color-contrast", "image-alt"}
