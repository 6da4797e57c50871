"""The worklist among a million radiographs: ``python -m benchmarks.worklist [--rows N]``.

Fills an empty database (``DATABASE_URL``, made for it: the rows point to no files) and asks
the page over Django's test client: session, doctor, queries, template. For each filter the
median and the longest of several requests, the processor time of one (of this process and
of the database, which is on the same machine), the number of queries, and what the database
says of each query (``EXPLAIN``), which is written to ``benchmarks/worklist.explain.txt``.

Without ``DATABASE_URL`` it starts a MariaDB of its own in a temporary folder.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
EXPLAIN = Path(__file__).with_suffix(".explain.txt")
ROWS, DOCTORS, BUSY, PATIENTS, REQUESTS = 1_000_000, 100, 50_000, 500, 15
MEMBERS = 10


def fill(rows: int):
    """``rows`` radiographs of ``DOCTORS`` doctors; the first has ``BUSY`` of them, half judged.

    By statements of the database itself: minutes instead of an hour. ``x`` in them is a
    number in [0, 1) that looks random and is the same in every run.
    """
    from django.contrib.auth.hashers import make_password
    from django.db import connection

    from accounts.models import Doctor
    from inference.models import ModelVersion
    from patients.models import Patient

    password = make_password(None)
    for number in range(DOCTORS):
        Doctor.objects.create(
            email=f"doctor-{number}@example.org",
            password=password,
            registration_number=f"{number:011d}",
            verification="verified",
        )
    doctors = list(Doctor.objects.order_by("pk"))
    model = ModelVersion.objects.create(
        name="benchmark", version="1", sha256="0" * 64, facts={"format": 2}, in_production=True
    )
    Patient.objects.bulk_create(
        [
            Patient(
                owner=doctors[0] if number < PATIENTS else doctors[1 + number % (DOCTORS - 1)],
                identifier=f"P{number}",
                sex="F",
                birth_date=date(1950, 1, 1),
            )
            for number in range(20 * PATIENTS)
        ],
        batch_size=1000,
    )
    with connection.cursor() as cursor:
        # A column that is not named here gets its type's own default.
        cursor.execute("SET SESSION sql_mode = ''")
        for name, statement in STATEMENTS.items():
            begun = time.monotonic()
            cursor.execute(
                statement.format(
                    rows=rows,
                    every=rows // BUSY,
                    first=doctors[0].pk,
                    patients=PATIENTS,
                    model=model.pk.hex,
                )
            )
            cursor.fetchall()
            print(f"{name}: {time.monotonic() - begun:.0f} s", flush=True)
    return doctors[0]


# The patients in an order: the first PATIENTS of them are the busy doctor's.
STATEMENTS = {
    "patients in order": """
        CREATE TEMPORARY TABLE numbered (PRIMARY KEY (n)) AS
        SELECT CAST(SUBSTR(identifier, 2) AS INT) n, id, owner_id FROM patients_patient
    """,
    "radiographs": """
        INSERT INTO radiology_radiograph (id, patient_id, owner_id, uploaded_by_id, acquired_on,
            received_at, sop_instance_uid, series_instance_uid, study_instance_uid, sop_class_uid,
            transfer_syntax_uid, modality, view_position, photometric_interpretation, `rows`,
            `columns`, bits_stored, warnings, sha256, pixel_sha256, size, file, preview)
        SELECT CONCAT('0190', LPAD(HEX(seq), 8, '0'), '70008000000000000000'), p.id, p.owner_id,
            p.owner_id, '2016-01-01' + INTERVAL MOD(CRC32(seq), 3650) DAY,
            '2026-01-01' + INTERVAL seq * 20 SECOND, CONCAT('1.2.', seq), '', '', '1.2', '1.2',
            'CR', 'PA', 'MONOCHROME2', 1024, 1024, 8, '[]', LPAD(seq, 64, '0'),
            LPAD(seq, 64, '0'), 1, 'none.dcm', 'none.jpg'
        FROM seq_1_to_{rows} JOIN numbered p ON p.n = IF(MOD(seq, {every}) = 0,
            MOD(CRC32(seq + 1), {patients}), {patients} + MOD(CRC32(seq + 1), 19 * {patients}))
    """,
    "analyses": """
        INSERT INTO inference_analysis (id, radiograph_id, owner_id, acquired_on, is_current,
            requested_by_id, status, attempts, claimed_by, queued_at, sent_at, finished_at,
            error_code, error_params, label, p_normal, p_lung_opacity, p_not_normal, certainty,
            prediction_set, gate_score, model_version_id, map, timings, judgement)
        SELECT CONCAT('0190', SUBSTR(REPLACE(id, '-', ''), 5, 8), '70008000000000000001'), id,
            owner_id, acquired_on, 1, owner_id, state, 1, '', received_at, received_at,
            IF(state IN ('done', 'failed'), received_at + INTERVAL 2 SECOND, NULL),
            IF(state = 'failed', 'undecodable', ''), '{{}}',
            IF(state = 'done',
               IF(x > 0.5, 'lung_opacity', IF(x > 0.2, 'normal', 'not_normal')), ''),
            IF(state = 'done', (1 - x) / 2, NULL), IF(state = 'done', x, NULL),
            IF(state = 'done', (1 - x) / 2, NULL),
            IF(state = 'done', IF(y < 0.7, 'certain', IF(y < 0.97, 'uncertain', 'unlike')), ''),
            IF(state = 'done', '["lung_opacity"]', NULL), IF(state = 'done', 0.5, NULL),
            IF(state = 'done', '{model}', NULL), '', '{{}}',
            IF(state = 'done' AND z >= 0.5, IF(z < 0.95, 'approved', 'contested'), '')
        FROM (SELECT id, owner_id, acquired_on, received_at,
                CONV(LEFT(MD5(CONCAT('x', sha256)), 8), 16, 10) / 4294967296 x,
                CONV(LEFT(MD5(CONCAT('y', sha256)), 8), 16, 10) / 4294967296 y,
                CONV(LEFT(MD5(CONCAT('z', sha256)), 8), 16, 10) / 4294967296 z,
                CASE WHEN w < 970 THEN 'done' WHEN w < 980 THEN 'failed' WHEN w < 998 THEN 'queued'
                    ELSE 'running' END state
            FROM (SELECT *, MOD(CONV(LEFT(MD5(sha256), 8), 16, 10), 1000) w
                FROM radiology_radiograph ORDER BY sha256) numbered) made
    """,
    "statistics": ("ANALYZE TABLE inference_analysis, radiology_radiograph, patients_patient"),
}


def share(doctor, *, every: int) -> int:
    """A practice of ``MEMBERS`` doctors, ``doctor`` among them, who share each ``every``-th of
    their patients; how many radiographs that are."""
    from django.db import connection

    from accounts.models import Doctor, Practice
    from patients.models import Patient
    from radiology.models import Radiograph

    practice = Practice.objects.create(name="Benchmark")
    members = list(Doctor.objects.order_by("pk")[:MEMBERS].values_list("pk", flat=True))
    Doctor.objects.filter(pk__in=members).update(practice=practice, practice_role="doctor")
    patients = Patient.objects.filter(owner__in=members).order_by("pk")
    keys = list(patients.values_list("pk", flat=True))[::every]
    Patient.objects.update(practice=None)
    Patient.objects.filter(pk__in=keys).update(practice=practice)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE inference_analysis a JOIN radiology_radiograph r ON r.id = a.radiograph_id"
            " JOIN patients_patient p ON p.id = r.patient_id SET a.practice_id = p.practice_id"
            " WHERE NOT a.practice_id <=> p.practice_id"
        )
        cursor.execute("ANALYZE TABLE patients_patient, inference_analysis")
        cursor.fetchall()
    doctor.refresh_from_db()
    return Radiograph.objects.filter(patient__practice=practice).count()


def of_practice(doctor) -> dict[str, dict]:
    """The same list of the practice's patients, beside the doctor's own."""
    practice = {"whose": "practice"}
    return {
        "one's own, no filter": {},
        "no filter": practice,
        "class: normal": practice | {"label": "normal"},
        "status: failed": practice | {"status": "failed"},
        "one day": practice | {"since": "2020-05-05", "until": "2020-05-05"},
        "judged or not": practice | {"judgement": "all"},
    }


def questions(client, doctor) -> dict[str, dict]:
    from inference.models import Analysis

    patient = doctor.patients.first().pk
    deep = Analysis.objects.of_doctor(doctor).current().filter(judgement="", status="done")
    deep = deep.order_by("urgency", "radiograph")[20_000:20_001].get().radiograph_id
    return {
        "no filter": {},
        "page after row 20,000": {"after": deep},
        "class: normal": {"label": "normal"},
        "class: lung opacity": {"label": "lung_opacity"},
        "certainty: uncertain": {"certainty": "uncertain"},
        "certainty: low (none)": {"certainty": "low"},
        "status: failed": {"status": "failed"},
        "status: done": {"status": "done"},
        "one day": {"since": "2020-05-05", "until": "2020-05-05"},
        "dates without any": {"since": "2030-01-01"},
        "one year": {"since": "2020-01-01", "until": "2020-12-31"},
        "patient": {"patient": patient},
        "judged": {"judgement": "judged"},
        "I contested": {"judgement": "contested"},
        "judged or not": {"judgement": "all"},
        "judged or not, one day": {
            "judgement": "all",
            "since": "2020-05-05",
            "until": "2020-05-05",
        },
        "class, certainty and year": {
            "label": "normal",
            "certainty": "certain",
            "since": "2020-01-01",
            "until": "2020-12-31",
        },
        "news": {"since": "2026-08-20T00:00:00+00:00"},
    }


def measure(doctor, rows: int, requests: int, asked=None, title: str = "") -> bool:
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.urls import reverse

    client = Client(headers={"accept-language": "en"})
    client.force_login(doctor)
    total = doctor.radiographs.count()
    title = title or f"{total:,} of the doctor who asks"
    print(f"\n{rows:,} radiographs, {title}; {requests} requests each\n")
    print("| asked for | median ms | longest ms | CPU ms (of it MariaDB's) | queries |")
    print("|---|---|---|---|---|")
    server = database_process(connection)
    quick, told, seen = True, [], set()
    for name, query in (asked or questions(client, doctor)).items():
        url = reverse("inference:worklist_news" if name == "news" else "inference:worklist")
        client.get(url, query)
        times, python, mariadb = [], time.process_time(), cpu(server)
        for _ in range(requests):
            begun = time.perf_counter()
            answer = client.get(url, query)
            times.append(1000 * (time.perf_counter() - begun))
            assert answer.status_code in (200, 204)
        python, mariadb = time.process_time() - python, cpu(server) - mariadb
        with CaptureQueriesContext(
            connection,
        ) as queries:
            client.get(url, query)
        print(
            f"| {name} | {statistics.median(times):.1f} | {max(times):.1f} "
            f"| {1000 * (python + mariadb) / requests:.0f} ({1000 * mariadb / requests:.0f}) "
            f"| {len(queries)} |",
            flush=True,
        )
        quick = quick and (python + mariadb) / requests < 0.1
        told += [f"## {name}", ""]
        for entry in queries:
            sql = entry["sql"]
            if "`inference_analysis`" in sql and sql not in seen:
                seen.add(sql)
                columns = sql.removeprefix("SELECT ").partition(" FROM ")[0]
                short = sql.replace(columns, "...", 1) if len(columns) > 200 else sql
                told += [f"{1000 * float(entry['time']):.0f} ms: {short}", ""]
                told += [*_explain(connection, sql), ""]
    path = EXPLAIN.with_name("worklist_practice.explain.txt") if asked else EXPLAIN
    path.write_text("\n".join(told))
    return quick


def database_process(connection):
    """The database's process, to ask what it worked: on a busy machine the clock tells little."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@pid_file")
        return psutil.Process(int(Path(cursor.fetchone()[0]).read_text()))


def cpu(process) -> float:
    """Seconds of processor time that ``process`` has used."""
    spent = process.cpu_times()
    return spent.user + spent.system


def _explain(connection, sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + sql.replace("%", "%%"))
        names = [column[0] for column in cursor.description]
        wanted = ("table", "type", "key", "key_len", "rows", "Extra")
        return [
            "    " + ", ".join(f"{n}: {v}" for n, v in zip(names, row, strict=True) if n in wanted)
            for row in cursor.fetchall()
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--filled", action="store_true", help="the database is filled already")
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--practice", action="store_true", help="the list of a practice")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    server, folder = None, tempfile.TemporaryDirectory()
    if "DATABASE_URL" not in os.environ:
        from tests.services.servers import MariaDB

        server = MariaDB(Path(folder.name))
        server.install()
        os.environ["DATABASE_URL"] = server.url
    os.environ.setdefault("VAR_DIR", folder.name)
    os.environ.setdefault("LOG_LEVEL", "ERROR")
    os.environ["DJANGO_SETTINGS_MODULE"] = "pneumoniapp.settings.local"
    # As served: with DEBUG every query would be kept.
    os.environ |= {"DEBUG": "false", "SECRET_KEY": "benchmark", "ALLOWED_HOSTS": "testserver"}
    try:
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        if arguments.filled:
            from accounts.models import Doctor

            busy = Doctor.objects.order_by("pk").first()
        else:
            busy = fill(arguments.rows)
        if arguments.practice:
            for every in (PATIENTS // 10, 1):
                shared = share(busy, every=every)
                title = f"{shared:,} shared in a practice of {MEMBERS}"
                quick = measure(busy, arguments.rows, arguments.requests, of_practice(busy), title)
        else:
            quick = measure(busy, arguments.rows, arguments.requests)
    finally:
        if server:
            server.stop()
        folder.cleanup()
    sys.exit(0 if quick else "one takes 100 ms of processor time or more")


if __name__ == "__main__":
    main()
