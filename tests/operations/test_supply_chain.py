"""What comes from others is what it was, licensed as we allow, and without known holes."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from django.conf import settings

SCRIPTS = settings.BASE_DIR / "scripts"
sys.path.insert(0, str(SCRIPTS))
import audit  # noqa: E402
import licences  # noqa: E402
import secrets_scan  # noqa: E402
import vendored  # noqa: E402

LOCK = "jinja2==3.1.2 \\\n    --hash=sha256:" + "0" * 64 + "\n"
HOLE = {
    "id": "PYSEC-0000-1",
    "schema_version": "1.6.0",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "versions": ["3.1.2"],
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.1.3"}]}],
        }
    ],
}


@pytest.fixture
def service():
    """A service that speaks as OSV does: ``service(answer, status)`` gives its address."""
    servers = []

    def start(answer: dict, status: int = 200) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(405)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(answer).encode())

            def log_message(self, *_args):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/v1/query"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(tmp_path, address: str) -> tuple[int, str]:
    lock = tmp_path / "lock.txt"
    lock.write_text(LOCK)
    done = subprocess.run(
        [sys.executable, SCRIPTS / "audit.py", "--service", address, lock],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


@pytest.mark.parametrize(
    ("answer", "status", "code", "said"),
    [
        ({"vulns": [HOLE]}, 200, 1, "jinja2 3.1.2: PYSEC-0000-1, fixed in 3.1.3"),
        ({}, 200, 0, "No known vulnerability."),
        ({}, 500, 1, "pip-audit gave no answer"),
    ],
)
def test_a_known_vulnerability_fails_the_check(tmp_path, service, answer, status, code, said):
    found, text = ask(tmp_path, service(answer, status))
    assert (found, said in text) == (code, True), text


def test_without_the_service_the_check_says_that_it_was_skipped(tmp_path):
    code, text = ask(tmp_path, "http://127.0.0.1:9/v1/query")
    assert (code, text.startswith("SKIPPED: known vulnerabilities")) == (0, True)


def test_what_is_accepted_is_so_until_its_day():
    line = "PYSEC-0000-1 2026-06-30 only reached by a tool\n# a remark\n"
    assert audit.accepted(line, dt.date(2026, 6, 30)) == ["PYSEC-0000-1"]
    assert audit.accepted(line, dt.date(2026, 7, 1)) == []
    with pytest.raises(ValueError):
        audit.accepted("PYSEC-0000-1 2026-06-30", dt.date(2026, 1, 1))


def test_every_installation_demands_hashes():
    lines = (SCRIPTS / "venv.sh").read_text().replace("\\\n", " ").splitlines()
    installs = [line for line in lines if "pip install" in line and "install --yes" not in line]
    assert len(installs) == 2
    assert all("--require-hashes" in line for line in installs)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("(MIT OR Apache-2.0) AND BSD-3-Clause", True),
        ("AGPL-3.0-only", False),
        ("MIT AND GPL-3.0-or-later", False),
        ("unknown", False),
    ],
)
def test_a_licence_that_nobody_looked_at_is_a_fault(expression, allowed):
    assert (licences.faults({"tool": (expression, "production")}) == []) is allowed


def test_an_exception_that_is_not_needed_any_more_is_a_fault():
    assert licences.faults({"djlint": ("MIT", "tests")}) == ["djlint needs no exception"]


def test_files_of_others_are_what_they_were(tmp_path):
    assert vendored.faults() == []
    folder = tmp_path / "static" / "vendor" / "tool-1"
    folder.mkdir(parents=True)
    (folder / "a.js").write_text("a")
    before = "".join(f"{d}  {n}\n" for n, d in vendored.sums(tmp_path).items())
    (folder / "a.js").write_text("b")
    (folder / "b.js").write_text("b")
    assert vendored.faults(tmp_path, before + "00  static/vendor/c.js\n") == [
        "static/vendor/c.js: gone",
        "static/vendor/tool-1/b.js: new",
        "static/vendor/tool-1/a.js: changed",
    ]


def test_each_folder_of_others_says_its_version():
    page = (settings.BASE_DIR / "static" / "vendor" / "README.md").read_text()
    folders = [f.name for f in (settings.BASE_DIR / "static" / "vendor").iterdir() if f.is_dir()]
    assert folders
    assert all(f"`{name}/`" in page for name in folders)


def test_a_secret_is_found(tmp_path):
    kind = "PRIVATE KEY"
    (tmp_path / "key.py").write_text(f'KEY = """-----BEGIN RSA {kind}-----\nMIIEow"""\n')
    (tmp_path / "cloud.py").write_text('AWS = "AKIA' + "IOSFODNN7ABCDEFG" + '"\n')
    (tmp_path / "settings.py").write_text("db_" + 'password = "hT5-kQ9_rW2x"\n')
    (tmp_path / "plain.py").write_text('word = "pneumonia"\n')
    names = ["key.py", "cloud.py", "settings.py", "plain.py"]
    found = {name for name, _kind, _digest in secrets_scan.scan(names, tmp_path)}
    assert found == {"key.py", "cloud.py", "settings.py"}


def test_every_kind_of_source_is_looked_at():
    names = set(secrets_scan.tracked())
    for wanted in (".env.example", "scripts/check.sh", "pneumoniapp/settings/base.py", "README.md"):
        assert wanted in names
    assert any(name.startswith("static/js/") for name in names)


def test_the_bill_of_materials(tmp_path):
    """Checked against the schema of CycloneDX before it is written."""
    place = tmp_path / "sbom.json"
    subprocess.run(
        [sys.executable, SCRIPTS / "sbom.py", place], check=True, cwd=tmp_path, capture_output=True
    )
    bill = json.loads(place.read_text())
    assert bill["specVersion"] == "1.6"
    by_name = {component["name"].lower(): component for component in bill["components"]}
    django = by_name["django"]
    assert django["version"].startswith("5.2.")
    assert django["purl"].startswith("pkg:pypi/django@5.2.")
    assert django["externalReferences"][0]["hashes"][0]["alg"] == "SHA-256"
    assert "pytest" not in by_name
    sheet = by_name["static/vendor/bootstrap-5.3.9/bootstrap.min.css"]
    assert sheet["purl"] == "pkg:npm/bootstrap@5.3.9"
    assert sheet["licenses"] == [{"license": {"id": "MIT"}}]
