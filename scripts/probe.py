"""Attack a running installation and say what gives way: ``make probe``.

Starts the application as ``make run`` does, in a folder of its own that is removed after, with
a doctor, an administrator and radiographs, and attacks it over a real connection:

1. The API, by Schemathesis from its OpenAPI document, as a doctor with a token: values at and
   beyond every bound, malformed bodies and headers, wrong verbs, no and wrong tokens, what one
   answer gives used in the next request; then once more about a radiograph that exists. A
   hole is a 5xx, an answer that the document does not know, a route that answers without a
   token, invalid data that is taken. (Valid data that is refused is none: no schema says that
   a date of birth is not in the future.)
2. The pages, by ``scripts/probe_pages.py``, as nobody, as a doctor and as an administrator.

Ends with 1 when a hole was found.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")

# Ends the token, and gives others: everything after it would be asked by a stranger.
LEFT_OUT = ("/api/v1/auth/logout/", "/api/v1/auth/token/")
# Schemathesis 4.32 can't judge a file of its own making in this phase ("Unsupported type: Binary").
FILES = "/api/v1/radiographs/"
NOT_CHECKED = "positive_data_acceptance"
KNOWN = """
[[operations]]
include-path-regex = "^/api/v1/{name}/"
parameters = {{ "path.id" = {key} }}
"""


def probe_api(url: str, token: str, options: list[str], folder: Path, keys: dict) -> int:
    """How many of Schemathesis's runs found something."""
    known = folder / "known.toml"
    known.write_text(
        "".join(KNOWN.format(name=name, key=json.dumps(key)) for name, key in keys.items())
    )
    empty = folder / "empty.toml"
    empty.touch()
    rounds = (
        (empty, ["--exclude-path", FILES]),
        (empty, ["--include-path", FILES, "--phases", "examples,fuzzing,stateful"]),
        (known, ["--include-path-regex", f"/({'|'.join(keys)})/.id"]),
    )
    found = 0
    for config, chosen in rounds:
        command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(config)]
        command += ["--no-color", "run", f"{url}/api/schema/", "--url", url, "--checks", "all"]
        command += ["--header", f"Authorization: Token {token}", "--exclude-checks", NOT_CHECKED]
        command += ["--generation-database", "none", "--output-sanitize", "true"]
        for path in LEFT_OUT:
            command += ["--exclude-path", path]
        done = subprocess.run([*command, *chosen, *options], check=False, cwd=folder)
        found += done.returncode != 0
    return found


def probe_pages(url: str, emails: dict[str, str], password: str, pages: int) -> int:
    """How many holes the pages have."""
    from scripts.probe_pages import Prober

    holes = {}
    for who in ("doctor", "admin", "nobody"):

        def log_in(who=who) -> httpx.Client:
            client = httpx.Client(timeout=30)
            client.get(f"{url}/accounts/login/")
            if who in emails:
                values = {"login": emails[who], "password": password}
                values["csrfmiddlewaretoken"] = client.cookies["csrftoken"]
                answer = client.post(f"{url}/accounts/login/", data=values)
                if answer.status_code != 302:
                    raise RuntimeError(f"{who} could not log in: {answer.status_code}")
            return client

        prober = Prober(url, who, log_in, password=password, pages=pages)
        prober.run()
        counts = ", ".join(f"{number} {kind}" for kind, number in prober.asked.items())
        print(
            f"{who}: {len(prober.pages)} pages, {len(prober.forms)} forms; "
            f"{sum(prober.asked.values())} requests ({counts}), slowest {prober.slowest:.1f} s, "
            f"{len(prober.holes)} holes",
            flush=True,
        )
        for (kind, where, _), what in sorted(prober.holes.items()):
            print(f"  {kind}: {where}: {what}")
        holes |= prober.holes
    return len(holes)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--what", choices=["all", "api", "pages"], default="all")
    parser.add_argument("--pages", type=int, default=120, help="at most, for each visitor")
    parser.add_argument("--examples", type=int, default=50, help="for each route of the API")
    parser.add_argument("--seed", type=int, default=1, help="of Schemathesis's choices")
    options = parser.parse_args()

    import django

    django.setup()
    from tests.accounts.factories import PASSWORD
    from tests.e2e.stack import Stack
    from tests.e2e.world import World
    from tests.radiology.factories import dicom_bytes

    # Nobody slows the prober down: that limits hold is tested elsewhere.
    limits = dict.fromkeys(("USER", "ANON", "TOKEN"), "1000000/min")
    os.environ |= {f"API_THROTTLE_{name}": rate for name, rate in limits.items()}
    # Nor asks it for a password again in the middle: what lies behind that is probed as well.
    os.environ["REAUTHENTICATION_SECONDS"] = "86400"
    # Ended from outside it ends the application that it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = 0
    with tempfile.TemporaryDirectory(prefix="probe-") as name:
        folder = Path(name)
        stack = Stack(folder)
        stack.start()
        try:
            files = [folder / f"{number}.dcm" for number in range(2)]
            for number, file in enumerate(files):
                file.write_bytes(dicom_bytes(rows=512, columns=512, seed=number))
            world = World.build(stack, files)
            if options.what in ("all", "api"):
                with world.api() as api:
                    known = api.get(f"/radiographs/{world.radiographs[0]}/").json()
                    token = api.headers["Authorization"].partition(" ")[2]
                keys = {
                    "patients": world.patients[0],
                    "radiographs": known["id"],
                    "analyses": known["analysis"]["id"],
                }
                more = ["--max-examples", str(options.examples), "--seed", str(options.seed)]
                found += probe_api(stack.url, token, more, folder, keys)
            if options.what in ("all", "pages"):
                found += probe_pages(stack.url, world.emails, PASSWORD, options.pages)
        finally:
            stack.stop()
    print("Nothing gave way." if not found else f"{found} findings.")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
