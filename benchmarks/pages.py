"""How fast the page of a reading is there: ``python -m benchmarks.pages [--rounds N]``.

Starts the application as ``make run`` does, with one made-up radiograph, and asks Chromium
itself (its performance entries and its debugging protocol) for each visit:

- first and largest contentful paint, milliseconds from the start of the navigation;
- total blocking time: of every task over 50 ms between the first paint and the end of the
  visit, what is over 50 ms;
- until the viewer shows the full depth;
- bytes that came over the network, by kind.

A cold visit has an empty cache (a new browser profile that has signed in elsewhere), a warm one
follows it. ``4x`` slows the processor fourfold, as Lighthouse's mobile profile does; the network
is not slowed. Kinds of visit take turns in every round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections import Counter
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")

import django

django.setup()

from playwright.sync_api import Browser, sync_playwright  # noqa: E402

from scripts import made_up  # noqa: E402
from tests.accounts.factories import PASSWORD  # noqa: E402
from tests.e2e.browser import ARGUMENTS, CHROMIUM  # noqa: E402
from tests.e2e.stack import Stack  # noqa: E402
from tests.e2e.world import World  # noqa: E402

OBSERVE = """
    window.seen = {largest: 0, tasks: []};
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) seen.largest = entry.startTime;
    }).observe({type: "largest-contentful-paint", buffered: true});
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) seen.tasks.push([task.startTime, task.duration]);
    }).observe({type: "longtask", buffered: true});
    addEventListener("DOMContentLoaded", () => {
        new MutationObserver(() => {
            if (!seen.viewer && document.querySelector("[data-viewer=ready]"))
                seen.viewer = performance.now();
        }).observe(document.body, {subtree: true, attributeFilter: ["data-viewer"]});
    });
"""
READ = """() => {
    const first = performance.getEntriesByName("first-contentful-paint")[0].startTime;
    const blocking = seen.tasks.filter(([start]) => start >= first)
        .reduce((sum, [, duration]) => sum + duration - 50, 0);
    return {first, largest: seen.largest, blocking, viewer: seen.viewer};
}"""
KINDS = {"Document": "page", "Stylesheet": "styles", "Script": "scripts", "Image": "images"}
QUIET_MS = 2000


def visit(page, address: str, slower: int) -> dict:
    """One visit of ``address`` in ``page``'s browser profile, as it is cached there."""
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    kinds, received = {}, Counter()
    client.on("Network.responseReceived", lambda e: kinds.update({e["requestId"]: e["type"]}))
    client.on(
        "Network.loadingFinished",
        lambda e: received.update(
            {KINDS.get(kinds.get(e["requestId"]), "pixels and others"): e["encodedDataLength"]}
        ),
    )
    page.goto(address)
    page.wait_for_selector("[data-viewer=ready]")
    page.wait_for_timeout(QUIET_MS)
    found = page.evaluate(READ)
    client.detach()
    return found | {"bytes": dict(received)}


def round_of(browser: Browser, world: World, state: list | None, slower: int) -> dict:
    """A cold visit and a warm one in a new profile."""
    context = browser.new_context(
        base_url=world.stack.url, viewport={"width": 1280, "height": 900}, storage_state=state
    )
    context.set_default_timeout(120_000)
    context.add_init_script(OBSERVE)
    page = context.new_page()
    address = f"/radiographs/{world.radiographs[0]}/"
    found = {"cold": visit(page, address, slower), "warm": visit(page, address, slower)}
    context.close()
    return found


def signed_in(browser: Browser, world: World):
    context = browser.new_context(base_url=world.stack.url)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("[name=login]", world.emails["doctor"])
    page.fill("[name=password]", PASSWORD)
    page.click("main form button")
    page.wait_for_load_state()
    state = context.storage_state()
    context.close()
    return state


def spread(values: list[float], scale: float = 1) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle / scale:.0f} ({low / scale:.0f}-{high / scale:.0f})"


def report(visits: dict[str, list[dict]]) -> None:
    columns = ("first", "largest", "blocking", "viewer")
    print(
        "| visit | first paint ms | largest paint ms | blocking ms | full depth ms | KiB received |"
    )
    print("|---|---|---|---|---|---|")
    for name, found in visits.items():
        cells = [spread([v[column] or 0 for v in found]) for column in columns]
        total = spread([sum(v["bytes"].values()) for v in found], 1024)
        print(f"| {name} | {' | '.join(cells)} | {total} |")
    print("\n| KiB received | page | styles | scripts | images | pixels and others |")
    print("|---|---|---|---|---|---|")
    for name, found in visits.items():
        kinds = [*KINDS.values(), "pixels and others"]
        cells = [spread([v["bytes"].get(kind, 0) for v in found], 1024) for kind in kinds]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write every visit")
    options = parser.parse_args()
    if not CHROMIUM:
        sys.exit("Chromium is missing: install it, or set CHROMIUM to its path.")
    visits: dict[str, list[dict]] = {}
    with tempfile.TemporaryDirectory(prefix="pages-") as work, sync_playwright() as playwright:
        file = Path(work) / "radiograph.dcm"
        file.write_bytes(made_up.dicom(made_up.chest(7, opacity=0.7), 7))
        stack = Stack(Path(work))
        stack.start()
        try:
            world = World.build(stack, [file])
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            state = signed_in(browser, world)
            for _round in range(options.rounds):
                for slower in (1, 4):
                    for cache, found in round_of(browser, world, state, slower).items():
                        visits.setdefault(f"{cache}, {slower}x", []).append(found)
            browser.close()
        finally:
            stack.stop()
    report(visits)
    if options.json:
        options.json.write_text(json.dumps(visits, indent=1))


if __name__ == "__main__":
    main()
