"""Two radiographs side by side in a real browser: what is done to one happens to the other."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.accounts.factories import PASSWORD
from tests.e2e.world import World
from tests.radiology.factories import dicom_bytes

STATES = """() => [...document.querySelectorAll("[data-compare] .viewer")].map(({viewer}) => {
    const {scale, x, y, turns, mirrored, inverted, preset, center, width} = viewer.state;
    const auto = viewer.facts.presets.auto;
    return {scale, x, y, turns, mirrored, inverted, preset,
        center: (center - auto.center) / auto.width, width: width / auto.width};
})"""
PLACE = ("scale", "x", "y", "turns", "mirrored")


@pytest.fixture(scope="module")
def world(stack, tmp_path_factory):
    """Two radiographs of one patient, of 12 and of 8 bits, of other sizes."""
    folder = tmp_path_factory.mktemp("two")
    files = [folder / "first.dcm", folder / "second.dcm"]
    files[0].write_bytes(dicom_bytes(rows=700, columns=600, bits_stored=12, seed=1))
    files[1].write_bytes(dicom_bytes(rows=500, columns=500, bits_stored=8, seed=2))
    return World.build(stack, files)


@pytest.fixture
def opened(open_browser, world):
    """``opened(language=..., ...)``: a doctor before the comparison of both, all in place."""

    def make(**options):
        doctor = open_browser(**options)
        doctor.log_in(world.emails["doctor"], PASSWORD)
        page, _ = doctor.page, doctor._
        page.goto(reverse("patients:detail", args=[world.patients[0]]))
        button = page.get_by_role("button", name=_("Compare the two selected"))
        boxes = page.locator(".timeline-pick input")
        expect(button).to_be_disabled()
        boxes.nth(0).check()
        expect(button).to_be_disabled()
        boxes.nth(1).check()
        doctor.shot("picked")
        button.click()
        page.wait_for_url("**/compare/?left=*")
        page.wait_for_selector("[data-compare-bar=ready]")
        return doctor

    return make


def pane(page: Page, side: int):
    return page.locator("[data-viewer-pane]").nth(side)


def place(state: dict) -> dict:
    return {name: pytest.approx(state[name]) for name in PLACE}


def test_both_go_together_until_they_are_parted(opened, world):
    doctor = opened(width=1440)
    page = doctor.page
    headings = page.locator("[data-compare] h2 time")
    expect(headings.nth(0)).to_have_attribute("datetime", "2024-01-12")  # The older one.
    expect(headings.nth(1)).to_have_attribute("datetime", "2024-02-12")

    # Place: wheel and keys on the left one.
    pane(page, 0).click()
    pane(page, 0).hover()
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"() => ({STATES})()[0].scale > 1.5")
    pane(page, 0).press("ArrowRight")
    pane(page, 0).press("r")
    pane(page, 0).press("h")
    left, right = page.evaluate(STATES)
    assert left["scale"] > 1.5
    assert left["turns"] == 1
    assert left["mirrored"]
    assert left["x"] != 0.5
    assert place(left) == {name: right[name] for name in PLACE}

    # The window: presets by name; by hand in parts of each one's automatic window.
    pane(page, 1).focus()
    pane(page, 1).press("l")
    assert [state["preset"] for state in page.evaluate(STATES)] == ["lung", "lung"]
    pane(page, 1).press("Shift+ArrowRight")
    pane(page, 1).press("Shift+ArrowUp")
    left, right = page.evaluate(STATES)
    assert left["preset"] == right["preset"] == ""
    assert left["width"] == pytest.approx(right["width"], rel=0.02)
    assert left["center"] == pytest.approx(right["center"], abs=0.02)
    pane(page, 1).press("i")
    assert all(state["inverted"] for state in page.evaluate(STATES))
    doctor.shot("linked")

    # Parted, each is by itself; joined again, they keep how they stand to one another.
    page.get_by_role("switch", name="both together").uncheck()
    before = page.evaluate(STATES)
    pane(page, 1).press("-")
    pane(page, 1).press("ArrowDown")
    pane(page, 1).press("r")
    left, right = page.evaluate(STATES)
    assert left == before[0]
    assert right["scale"] == pytest.approx(before[1]["scale"] * 0.8)
    page.get_by_role("switch", name="both together").check()
    assert page.evaluate(STATES) == [left, right]
    pane(page, 0).focus()
    pane(page, 0).press("+")
    pane(page, 0).press("ArrowLeft")
    after = page.evaluate(STATES)
    assert after[0]["scale"] == pytest.approx(left["scale"] * 1.25)
    assert after[1]["scale"] == pytest.approx(right["scale"] * 1.25)
    assert after[1]["turns"] == right["turns"]
    assert (after[1]["x"], after[1]["y"]) != (right["x"], right["y"])

    # All as at the beginning, and together.
    page.get_by_role("button", name="Reset both").click()
    for state in page.evaluate(STATES):
        assert {name: state[name] for name in PLACE} == {
            "scale": 1, "x": 0.5, "y": 0.5, "turns": 0, "mirrored": False,
        }  # fmt: skip
    pane(page, 1).focus()
    pane(page, 1).press("+")
    assert [state["scale"] for state in page.evaluate(STATES)] == [1.25, 1.25]

    # Swapped, and one chosen from the list.
    page.get_by_role("link", name="Swap sides").click()
    expect(headings.nth(0)).to_have_attribute("datetime", "2024-02-12")
    page.get_by_label("Left", exact=True).select_option(world.radiographs[0])
    page.get_by_label("Right", exact=True).select_option(world.radiographs[1])
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(headings.nth(0)).to_have_attribute("datetime", "2024-01-12")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_one_above_the_other_on_a_small_screen(opened, language):
    doctor = opened(language=language, width=360, theme="dark")
    page = doctor.page
    boxes = [pane(page, side).bounding_box() for side in (0, 1)]
    assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"]
    # Either one may lead; ids of the two switches are their own.
    pane(page, 1).focus()
    pane(page, 1).press("+")
    assert [state["scale"] for state in page.evaluate(STATES)] == [1.25, 1.25]
    page.check("#right-map-switch")
    expect(page.locator("#left-map-switch")).not_to_be_checked()
    expect(page.locator(".map-legend").nth(1)).to_be_visible()
    expect(page.locator(".map-legend").nth(0)).to_be_hidden()
    doctor.shot("small")


def test_without_script_the_server_picks(open_browser, world):
    doctor = open_browser(java_script_enabled=False)
    doctor.log_in(world.emails["doctor"], PASSWORD)
    page = doctor.page
    page.goto(reverse("patients:detail", args=[world.patients[0]]))
    button = page.get_by_role("button", name="Compare the two selected")
    page.locator(".timeline-pick input").nth(0).check()
    button.click()
    expect(page.locator("#messages, .alert").first).to_contain_text("Select exactly two")
    for box in page.locator(".timeline-pick input").all():
        box.check()
    button.click()
    expect(page.locator("[data-compare] .viewer-radiograph")).to_have_count(2)
    expect(page.locator("[data-compare-bar]")).to_be_hidden()
