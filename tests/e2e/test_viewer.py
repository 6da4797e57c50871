"""The viewer in a real browser: pixels that change under the hand, under the strict policy."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from tests.radiology.factories import dicom_bytes

# The mean grey of the pane, drawn anew so that its pixels can be read.
GREY = """() => {
    const viewer = document.querySelector("[data-depth]").viewer;
    viewer.draw();
    const from = viewer.renderer.canvas;
    const to = Object.assign(document.createElement("canvas"), {width: 64, height: 64});
    const context = to.getContext("2d");
    context.drawImage(from, 0, 0, 64, 64);
    const {data} = context.getImageData(0, 0, 64, 64);
    let sum = 0;
    for (let at = 0; at < data.length; at += 4) sum += data[at];
    return sum / (data.length / 4);
}"""
OVERLAY = """() => {
    const {canvas, context} = document.querySelector("[data-depth]").viewer.overlay;
    const {data} = context.getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 3; at < data.length; at += 4) count += data[at] > 0;
    return count;
}"""
STATE = """() => {
    const {scale, x, y, turns, mirrored, center, width} =
        document.querySelector("[data-depth]").viewer.state;
    return {scale, x, y, turns, mirrored, center, width};
}"""
# Without the graphics card's interface, as on a machine that has none.
NO_WEBGL = """
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
        return kind.startsWith("webgl") ? null : original.call(this, kind, ...rest);
    };
"""
# With a graphics card that the browser emulates: the viewer itself would not take it.
EMULATED_WEBGL = """
    const original = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, options) {
        return original.call(this, kind, {...options, failIfMajorPerformanceCaveat: false});
    };
    WebGL2RenderingContext.prototype.getExtension = () => null;
"""


@pytest.fixture
def read(tmp_path):
    """``read(doctor, **attributes)``: a made up radiograph is sent and read; the reading page."""

    def make(doctor, **attributes) -> Page:
        page = doctor.page
        path = tmp_path / "radiograph.dcm"
        path.write_bytes(dicom_bytes(rows=700, columns=600, bits_stored=12, **attributes))
        doctor.log_in()
        page.goto("/readings/new/")
        doctor.new_patient(f"IPP-{time.time_ns() % 10**10}")
        page.fill("[name=acquired_on]", "2024-01-15")
        page.set_input_files("#id_files", path)
        expect(page.locator(".file-facts")).to_be_visible()
        page.click("#send")
        page.wait_for_url(re.compile(r"/radiographs/[0-9a-f-]{36}/"))
        doctor.expect_reading()
        page.wait_for_selector("[data-viewer=ready]")
        return page

    return make


def drag(page: Page, dx: int, dy: int) -> None:
    box = page.locator("[data-viewer-pane]").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + dx / 2, y + dy / 2)
    page.mouse.move(x + dx, y + dy)
    page.mouse.up()


@pytest.mark.parametrize("renderer", ["webgl", "2d"])
def test_a_doctor_looks_closely(open_browser, read, renderer):
    doctor = open_browser()
    doctor.expected_words = {"Multiple readback operations"}  # this test's own
    page = doctor.page
    page.add_init_script(NO_WEBGL if renderer == "2d" else EMULATED_WEBGL)
    read(doctor, ImagerPixelSpacing=[0.2, 0.2], WindowCenter=2000, WindowWidth=3000)
    page.get_by_role("link", name="Large viewer").click()
    page.wait_for_selector("[data-viewer=ready]")
    pane = page.locator("[data-viewer-pane]")
    if renderer == "webgl" and pane.get_attribute("data-renderer") != "webgl":
        pytest.skip("this browser has no WebGL 2")
    assert pane.get_attribute("data-renderer") == renderer
    expect(page.locator("[data-viewer-readout]")).to_contain_text("C 2,000 · W 3,000")
    expect(page.locator("[data-viewer-presets] option:checked")).to_have_text("Window of the file")
    assert page.locator("[data-viewer-side=right]").inner_text() == "L"

    # Brightness and contrast by hand: the pixels themselves change.
    before = page.evaluate(GREY)
    drag(page, 0, -120)
    brighter = page.evaluate(GREY)
    assert brighter > before + 10
    expect(page.locator("[data-viewer-presets] option:checked")).to_have_text("Own window")
    page.locator("[data-viewer-presets]").select_option("lung")
    lung = page.evaluate(GREY)
    page.locator("[data-viewer-presets]").select_option("bone")
    bone = page.evaluate(GREY)
    assert bone < lung - 10
    page.get_by_role("button", name="Exchange black and white").click()
    expect(page.get_by_role("button", name="Exchange black and white")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert abs(page.evaluate(GREY) - bone) > 3

    # Place: wheel, keys, turning; the letters of the sides go with the image.
    pane.hover()
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"() => ({STATE})().scale > 1.5")
    pane.press("ArrowRight")
    assert page.evaluate(STATE)["x"] != 0.5
    pane.press("0")
    assert page.evaluate(STATE)["scale"] == 1
    pane.press("r")
    expect(page.locator("[data-viewer-side=bottom]")).to_have_text("L")
    pane.press("h")
    pane.press("x")
    place = {"scale": 1, "x": 0.5, "y": 0.5, "turns": 0, "mirrored": False}
    assert page.evaluate(STATE) == place | {"center": 2000, "width": 3000}
    assert page.evaluate(GREY) == pytest.approx(before, abs=0.5)

    # A length: 0.2 mm a pixel, so 100 pixels of the image are 20 mm.
    still = pane.bounding_box()
    page.get_by_role("button", name="Measure a length").click()
    expect(page.locator("[data-viewer-note]")).to_contain_text("Lengths hold at the detector")
    assert pane.bounding_box() == still  # the sentence comes without moving the image
    scale = page.evaluate(
        "() => { const v = document.querySelector('[data-depth]').viewer;"
        " return v.zoomed / devicePixelRatio; }"
    )
    drag(page, round(100 * scale), 0)
    text = page.locator("[data-viewer-note]").inner_text()
    assert float(re.search(r"([\d.]+)\s*mm", text)[1]) == pytest.approx(20, abs=0.4)
    page.wait_for_function(f"() => ({OVERLAY})() > 50")
    doctor.shot(f"measured-{renderer}")
    pane.press("x")
    page.wait_for_function(f"() => ({OVERLAY})() === 0")  # drawn with the next frame

    # Magnifier, map and help.
    pane.press("g")
    pane.hover()
    page.wait_for_function(f"() => ({OVERLAY})() > 50")
    pane.press("Escape")
    page.get_by_role("switch").check()
    page.wait_for_function(
        f"() => ({OVERLAY})() > 0 || document.querySelector('.viewer-map').complete"
    )
    expect(page.get_by_label("Strength of the map")).to_be_visible()
    page.get_by_label("Outline of the map").check()
    expect(page.locator("[data-viewer-threshold]")).to_be_visible()
    pane.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    doctor.shot(f"help-{renderer}")
    page.get_by_role("button", name="Close").click()


def test_without_a_spacing_nothing_is_measured(open_browser, read):
    doctor = open_browser()
    page = read(doctor)
    page.get_by_role("button", name="Measure a length").click()
    expect(page.locator("[data-viewer-note]")).to_contain_text("does not say how large a pixel is")
    expect(page.get_by_role("button", name="Measure a length")).to_have_attribute(
        "aria-pressed", "false"
    )
    # Until the image is chosen the wheel scrolls the page.
    page.locator("[data-viewer-pane]").hover()
    page.mouse.wheel(0, 300)
    page.wait_for_function("() => scrollY > 0")
    assert page.evaluate(STATE)["scale"] == 1


def test_without_the_full_depth_the_preview_stays(open_browser, read):
    doctor = open_browser()
    doctor.expected_status = {503}
    page = read(doctor)
    page.route("**/depth.bin", lambda route: route.fulfill(status=503))
    page.reload()
    expect(page.locator("[data-viewer-note]")).to_contain_text("Only the preview")
    expect(page.locator("[data-viewer-pane]")).to_be_hidden()
    doctor.expect_picture(".viewer-radiograph")
    page.get_by_role("switch").check()
    doctor.expect_picture(".viewer-map")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_fingers_on_a_small_screen(open_browser, read, language):
    doctor = open_browser(language=language, width=360, theme="dark", has_touch=True)
    page = read(doctor)
    doctor.shot(f"reading-{language}")
    page.goto(page.url.partition("?")[0] + "viewer/")
    page.wait_for_selector("[data-viewer=ready]")
    before = page.evaluate(STATE)
    page.locator("[data-viewer-pane]").evaluate(
        """(pane) => {
            const box = pane.getBoundingClientRect();
            const finger = (name, id, dx) => pane.dispatchEvent(new PointerEvent(name, {
                pointerId: id, pointerType: "touch", bubbles: true, cancelable: true,
                clientX: box.left + box.width / 2 + dx, clientY: box.top + box.height / 2}));
            pane.setPointerCapture = () => {};
            finger("pointerdown", 1, -20); finger("pointerdown", 2, 20);
            finger("pointermove", 1, -60); finger("pointermove", 2, 60);
            finger("pointerup", 1, -60); finger("pointerup", 2, 60);
        }"""
    )
    after = page.evaluate(STATE)
    assert after["scale"] == pytest.approx(3 * before["scale"], rel=0.05)
    assert (after["center"], after["width"]) == (before["center"], before["width"])
    doctor.shot(f"viewer-{language}")
