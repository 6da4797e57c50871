"""One reading, side by side: ``python -m benchmarks.reading [--rounds N] [--json FILE]``.

In one run, on the same files and the same weights:

(a) the original project's design (Flask, Keras ``model.predict`` inside the request);
(b) PneumoniApp end to end over HTTP, with one web process and one child of the worker, and
    with as many as there are processors;
(c) the floor: decode, resize and LiteRT in a bare loop, no server.

The contestants take turns in every round, so that a noisy machine disturbs all alike; the
table shows medians, p95, and the spread of (c) over the rounds as the machine's noise.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from .contestants import ROOT, Original, PneumoniApp, PneumoniAppPerCore

DATA = Path(os.environ.get("PNEUMONIAPP_DATA", ROOT.parent / "shared" / "data"))
CLIENTS = (1, 4, 16)


def unique_files(folder: Path):
    """Endless real DICOM files, each with a SOP Instance UID of its own."""
    import pydicom
    from pydicom.uid import generate_uid

    paths = sorted(folder.glob("*.dcm"))
    if not paths:
        sys.exit(f"No DICOM files in {folder}; set PNEUMONIAPP_DATA.")
    originals = [pydicom.dcmread(path) for path in paths]
    for dataset in itertools.cycle(originals):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        yield buffer.getvalue()


def drive(server, contents: list[bytes], clients: int) -> dict:
    """Send ``contents`` from ``clients`` threads; seconds per reading, rate and CPU."""
    waiting, durations, failures = iter(contents), [], []
    lock = threading.Lock()

    def client() -> None:
        connection = server.connect()
        while True:
            with lock:
                content = next(waiting, None)
            if content is None:
                return
            began = time.perf_counter()
            try:
                server.read(connection, content)
            except Exception as error:  # reported, and the run fails
                failures.append(error)
                return
            durations.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client) for _ in range(clients)]
    cpu, began = server.cpu_seconds(), time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    took = time.perf_counter() - began
    return {
        "durations": durations,
        "rate": len(contents) / took,
        "cpu_ms": 1000 * (server.cpu_seconds() - cpu) / len(contents),
    }


def floor(contents: list[bytes], model: Path) -> dict:
    """Decode, render, resize and LiteRT with the application's own functions, nothing else."""
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter

    from inference.model_input import model_input
    from radiology.dicom.render import render

    interpreter = Interpreter(model_path=str(model / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    place = interpreter.get_input_details()[0]["index"]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    durations, process = [], psutil.Process()
    before = process.cpu_times()
    for content in contents:
        began = time.perf_counter()
        interpreter.set_tensor(place, model_input(render(io.BytesIO(content)))[np.newaxis])
        interpreter.invoke()
        for output in outputs:
            interpreter.get_tensor(output)
        durations.append(time.perf_counter() - began)
    after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    return {
        "durations": durations,
        "rate": 1 / statistics.mean(durations),
        "cpu_ms": 1000 * spent / len(contents),
    }


def milliseconds(durations: list[float]) -> tuple[float, float]:
    """Median and 95th percentile."""
    ordered = sorted(durations)
    return 1000 * statistics.median(ordered), 1000 * ordered[int(0.95 * (len(ordered) - 1))]


def measure(rounds: int, per_round: int) -> dict:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.local")
    django.setup()
    model = sorted((ROOT / "inference" / "shipped").iterdir())[-1]
    files = unique_files(DATA / "dicom" / "rsna")
    take = lambda count: list(itertools.islice(files, count))  # noqa: E731
    result: dict = {"rounds": rounds, "per_round": per_round, "cold_start_s": {}, "runs": {}}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, servers = Path(name), []
        try:
            for kind in (Original, PneumoniApp, PneumoniAppPerCore):
                began = time.perf_counter()
                server = kind(folder, model) if kind is Original else kind(folder)
                servers.append(server)
                server.ready()
                server.read(server.connect(), take(1)[0])
                result["cold_start_s"][server.name] = round(time.perf_counter() - began, 2)
            for _ in range(rounds):
                record(result, "floor", 1, floor(take(per_round), model))
                for clients in CLIENTS:
                    contents = take(per_round)
                    for server in servers:
                        record(result, server.name, clients, drive(server, contents, clients))
            result["memory_mib"] = {s.name: round(s.memory_mib()) for s in servers}
        finally:
            for server in servers:
                server.stop()
    return result


def record(result: dict, name: str, clients: int, run: dict) -> None:
    print(f"  {name} {clients}: {run['rate']:.1f}/s, {run['cpu_ms']:.1f} ms CPU", file=sys.stderr)
    result["runs"].setdefault(f"{name}/{clients}", []).append(run)


def report(result: dict) -> str:
    rows = {}
    for key, runs in result["runs"].items():
        median, p95 = milliseconds([d for run in runs for d in run["durations"]])
        rates = [run["rate"] for run in runs]
        rows[key] = {
            "median_ms": median,
            "p95_ms": p95,
            "rate": statistics.median(rates),
            "rate_spread": (min(rates), max(rates)),
            "cpu_ms": statistics.median(run["cpu_ms"] for run in runs),
        }
    lines = [
        "| contestant | clients | median ms | p95 ms | readings/s (rounds) | CPU ms a reading |",
        "|---|---|---|---|---|---|",
    ]
    for key, row in sorted(
        rows.items(), key=lambda item: (item[0].split("/")[0], int(item[0].split("/")[1]))
    ):
        name, clients = key.split("/")
        low, high = row["rate_spread"]
        lines.append(
            f"| {name} | {clients} | {row['median_ms']:.1f} | {row['p95_ms']:.1f} "
            f"| {row['rate']:.1f} ({low:.1f}-{high:.1f}) | {row['cpu_ms']:.1f} |"
        )
    one, sixteen = rows["pneumoniapp/1"], rows["pneumoniapp/16"]
    lines += [
        "",
        f"1 client: {rows['original/1']['median_ms'] / one['median_ms']:.1f}x faster than the "
        "original design (wanted 2).",
        f"16 clients: {sixteen['rate'] / rows['original/16']['rate']:.1f}x its throughput "
        "(wanted 5).",
        f"Server's work per reading: {one['cpu_ms'] / rows['floor/1']['cpu_ms']:.1f}x the floor's "
        "at 1 client, "
        f"{sixteen['cpu_ms'] / rows['floor/1']['cpu_ms']:.1f}x at 16 (wanted within 3).",
        f"Cold start to first reading, s: {result['cold_start_s']}",
        f"Memory after the run, MiB (PSS): {result['memory_mib']}",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-round", type=int, default=48, help="readings a contestant a step")
    parser.add_argument("--json", type=Path, help="write every measurement here")
    options = parser.parse_args()
    result = measure(options.rounds, options.per_round)
    if options.json:
        options.json.write_text(json.dumps(result))
    print(report(result))


if __name__ == "__main__":
    main()
