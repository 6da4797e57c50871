"""``make screens``: every page as a picture, in both languages, both themes, small and large.

Starts the whole application in a folder of its own, with made-up radiographs, walks over the
pages of ``tests.e2e.pages`` and writes the pictures and ``index.html``, the contact sheet, to
``screens/`` (git ignores it). ``--only reading`` takes the pages whose name has that word,
``--quick`` French light on a large screen and English dark on a small one alone.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")

import django  # noqa: E402

django.setup()

import cv2  # noqa: E402
import made_up  # noqa: E402
import numpy as np  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from tests.accounts.factories import PASSWORD  # noqa: E402
from tests.e2e.browser import ARGUMENTS, CHROMIUM, Doctor  # noqa: E402
from tests.e2e.pages import WALK, Stop  # noqa: E402
from tests.e2e.stack import Stack  # noqa: E402
from tests.e2e.world import World, undecodable_bytes  # noqa: E402

# The pictures of docs/guide.md and docs/guide.fr.md, and of the READMEs, by page.
GUIDE = {
    "inference:new": "send",
    "inference:worklist": "worklist",
    "inference:reading": "reading",
    "inference:viewer": "viewer",
    "patients:detail": "patient",
    "inference:compare": "compare",
}
GUIDE_SIZE = {"width": 1240, "height": 900}
LANGUAGES, THEMES, WIDTHS = ("fr", "en"), ("light", "dark"), (360, 1440)
AFTER_SIGN_IN = re.compile(r"/(radiographs|worklist|account/|admin)")
QUICK = {("fr", "light", 1440), ("en", "dark", 360)}
# Drawn radiographs are unlike the ones that the model knows, and it says so. So that the
# other answers are seen as well, some readings get one: as made up as the radiographs.
ANSWERS = """
from inference.models import Analysis
for key, label, p, certainty, possible in {rows!r}:
    Analysis.objects.filter(radiograph_id=key, is_current=True).update(
        label=label, p_normal=p[0], p_lung_opacity=p[1], p_not_normal=p[2],
        certainty=certainty, prediction_set=possible, gate_score=0.4)
"""
SURE = "lung_opacity", (0.03, 0.91, 0.06), "certain", ["lung_opacity"]
NORMAL = "normal", (0.93, 0.01, 0.06), "certain", ["normal"]
OPEN = "not_normal", (0.08, 0.38, 0.54), "uncertain", ["not_normal", "lung_opacity"]
PEOPLE = (
    ({"patient_identifier": "IPP-2041", "birth_date": "1957-11-02", "sex": "F"},
     (("2024-03-04", 0.0, NORMAL), ("2025-01-20", 0.5, OPEN), ("2025-02-03", 0.9, SURE))),
    ({"patient_identifier": "IPP-2107", "birth_date": "1984-05-19", "sex": "M"},
     (("2025-02-10", 0.3, OPEN),)),
    ({"patient_identifier": "IPP-1988", "birth_date": "1949-08-27", "sex": "F"},
     (("2025-02-11", 0.0, NORMAL), ("2025-02-12", 0.6, None))),
)  # fmt: skip


def build(stack: Stack, folder: Path) -> World:
    """Three patients with readings of every kind, one of them failed; the last one is judged."""
    world = World.build(stack, [])
    rows, number = [], 100
    with world.api() as api:
        for person, taken in PEOPLE:
            for day, opacity, answer in taken:
                number += 1
                file = folder / f"{number}.dcm"
                pixels = made_up.chest(number, opacity=opacity)
                file.write_bytes(made_up.dicom(pixels, number, day=day.replace("-", "")))
                sent = world.send(api, file, **person, acquired_on=day)
                world.radiographs.insert(0, sent["id"])
                if answer:
                    rows.append((sent["id"], *answer))
        broken = folder / "broken.dcm"
        broken.write_bytes(undecodable_bytes())
        world.failed = world.send(api, broken, **PEOPLE[1][0], acquired_on="2025-02-13")["id"]
    stack.manage("shell", "--command", ANSWERS.format(rows=rows))
    with world.api() as api:
        world.approve(api, rows[0][0])
    # The page of a reading: the newest one of the first patient.
    world.radiographs.insert(0, rows[2][0])
    return world


def guide(browser: Browser, world: World, folder: Path) -> None:
    """``docs/images/<name>.webp`` and ``<name>.fr.webp``: small, light, the top of each page."""
    context = browser.new_context(
        base_url=world.stack.url, viewport=GUIDE_SIZE, reduced_motion="reduce", color_scheme="light"
    )
    context.set_default_timeout(60_000)
    doctor = Doctor(context, world.stack.url, "en", folder)
    doctor.log_in(world.emails["doctor"], PASSWORD, onto=AFTER_SIGN_IN)
    for stop in WALK:
        name = GUIDE.get(str(stop))
        for language in LANGUAGES if name and stop.who == "doctor" else ():
            doctor.speak(language)
            doctor.page.goto(stop.address(world))
            doctor.page.wait_for_selector(stop.ready)
            if stop.then:
                stop.then(doctor.page)
            shot = np.frombuffer(doctor.page.screenshot(), np.uint8)
            file = folder / f"{name}{'' if language == 'en' else '.fr'}.webp"
            image = cv2.imdecode(shot, cv2.IMREAD_COLOR)
            cv2.imwrite(str(file), image, [cv2.IMWRITE_WEBP_QUALITY, 72])
    context.close()


def picture(
    browser: Browser, world: World, who: str, stops: list[Stop], folder: Path, wanted
) -> None:
    """The pictures of ``stops``, all of one role: ``<page>.<language>.<theme>.<width>.png``."""
    context = browser.new_context(
        base_url=world.stack.url,
        viewport={"width": WIDTHS[-1], "height": 900},
        reduced_motion="reduce",
    )
    context.set_default_timeout(60_000)
    doctor = Doctor(context, world.stack.url, "en", folder)
    page = doctor.page
    if who != "nobody":
        doctor.log_in(world.emails[who], PASSWORD, onto=AFTER_SIGN_IN)
    for stop in stops:
        for language in LANGUAGES:
            looks = [(theme, width) for lang, theme, width in wanted if lang == language]
            if not looks:
                continue
            doctor.speak(language)
            page.set_viewport_size({"width": WIDTHS[-1], "height": 900})
            page.goto(stop.address(world))
            page.wait_for_selector(stop.ready)
            if stop.then:
                stop.then(page)
            for theme, width in looks:
                page.set_viewport_size({"width": width, "height": 900})
                page.emulate_media(color_scheme=theme)
                name = f"{file_name(stop)}.{language}.{theme}.{width}.png"
                page.screenshot(
                    path=folder / name, full_page=not page.locator("dialog[open]").count()
                )
    context.close()


def file_name(stop: Stop) -> str:
    return re.sub(r"[^a-z0-9]+", "-", str(stop).lower()).strip("-")


def contact_sheet(folder: Path, stops: list[Stop]) -> None:
    """``index.html``: a row of pictures for each page; each leads to the picture itself."""
    rows = []
    for stop in stops:
        pictures = sorted(folder.glob(f"{file_name(stop)}.*.png"))
        cells = "".join(
            f'<figure><a href="{p.name}"><img src="{p.name}" alt="" loading="lazy"></a>'
            f"<figcaption>{html.escape(' '.join(p.name.split('.')[1:4]))}</figcaption></figure>"
            for p in pictures
        )
        rows.append(f"<h2>{html.escape(str(stop))}</h2><div>{cells}</div>")
    style = (
        "body{font:14px system-ui;background:#777;color:#fff;margin:1rem}div{display:flex;gap:8px;"
        "overflow-x:auto}img{height:320px;object-fit:cover;object-position:top;max-width:520px}"
        "figure{margin:0}"
    )
    sheet = f"<!doctype html><meta charset=utf-8><title>Screens</title><style>{style}</style>"
    (folder / "index.html").write_text(sheet + "".join(rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--to", type=Path, default=ROOT / "screens")
    parser.add_argument("--only", default="", help="pages whose name has this word")
    parser.add_argument("--quick", action="store_true", help="two looks instead of eight")
    parser.add_argument("--guide", action="store_true", help="only the guide's, in docs/images")
    options = parser.parse_args()
    if not CHROMIUM:
        sys.exit("Chromium is missing: install it, or set CHROMIUM to its path.")
    wanted = [(lang, theme, width) for lang in LANGUAGES for theme in THEMES for width in WIDTHS]
    if options.quick:
        wanted = [look for look in wanted if look in QUICK]
    stops = [stop for stop in WALK if options.only in str(stop)]
    if not options.guide:
        shutil.rmtree(options.to, ignore_errors=True)
        options.to.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="screens-") as work:
        stack = Stack(Path(work))
        stack.start()
        try:
            world = build(stack, Path(work))
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
                if options.guide:
                    guide(browser, world, ROOT / "docs" / "images")
                    stops = []
                for who in dict.fromkeys(stop.who for stop in stops):
                    own = [stop for stop in stops if stop.who == who]
                    picture(browser, world, who, own, options.to, wanted)
                browser.close()
        finally:
            stack.stop()
    if options.guide:
        return
    contact_sheet(options.to, stops)
    print(f"{len(list(options.to.glob('*.png')))} pictures: {options.to / 'index.html'}")


if __name__ == "__main__":
    main()
