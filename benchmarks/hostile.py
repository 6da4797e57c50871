"""Hostile files by the thousand: ``python -m benchmarks.hostile [--count N] [--seed WORD]``.

Mutants of sound DICOM files (tests/hostile) go through what the web process does with an upload
and, when they are accepted, through the decoder with its limits. Prints what became of them, the
slowest and the largest; ends with status 1 when one failed, that is: was neither taken nor
refused with a code, or took too long or too much memory. ``--only N`` repeats one alone,
``--keep FOLDER`` keeps those that failed or crashed the decoder. The same seed gives the same
files for ever.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path


def attack(numbers: range, seed: str, keep: Path | None) -> dict:
    from tests.hostile.mutants import mutant
    from tests.hostile.sound import generated, real
    from tests.hostile.trial import Failure, tried

    # Real files are large: one in eleven of the files is made of one.
    small, large = generated(), real()
    bases = (small,) * 10 + ((large,) if large else ())
    result = {
        "seed": seed, "first": numbers.start, "count": len(numbers), "real": len(large),
        "web": Counter(), "decoder": Counter(), "crashed": Counter(), "failures": [],
        "slowest_web_ms": (0, None), "largest_web_mib": (0, None), "slowest_decoder_ms": (0, None),
        "bytes": 0,
    }  # fmt: skip
    began = time.perf_counter()
    for number in numbers:
        made = mutant(bases[number % len(bases)], f"{seed}:{number}")
        result["bytes"] += len(made.content)
        crashed: list[str] = []
        try:
            verdict = tried(made.content, is_full=number % 4 == 0)
        except Failure as failure:
            said = f"{number} ({made.base}; {', '.join(made.done)}): {failure}"
            result["failures"].append(said)
            print("FAILED", said, file=sys.stderr, flush=True)
            crashed = ["failed"]
        else:
            crashed = verdict.crashed
            result["web"][verdict.web] += 1
            if verdict.decoder:
                result["decoder"][verdict.decoder] += 1
            for key in ("web_ms", "web_mib", "decoder_ms"):
                name = f"{'largest' if key == 'web_mib' else 'slowest'}_{key}"
                if getattr(verdict, key) > result[name][0]:
                    result[name] = (getattr(verdict, key), number)
            for code in crashed:
                result["crashed"][code] += 1
                print("CONTAINED", code, number, made.base, *made.done, file=sys.stderr, flush=True)
        if keep and crashed:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{seed}-{number}-{crashed[0]}.dcm").write_bytes(made.content)
        if (number + 1) % 5000 == 0:
            print(f"{number + 1}: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    result["seconds"] = round(time.perf_counter() - began)
    return result


def named() -> list[str]:
    """What becomes of the corpus, file by file, as rows of a table."""
    from tests.hostile.corpus import CORPUS, LARGEST
    from tests.hostile.trial import tried

    lines = [
        "| file | web | decoder | web ms | web MiB | decoder ms |",
        "|---|---|---|---|---|---|",
    ]
    for name, (made, _web, _decoder) in (CORPUS | LARGEST).items():
        v = tried(made())
        lines.append(
            f"| {name} | {v.web} | {v.decoder} | {v.web_ms:.0f} | {v.web_mib:.0f} "
            f"| {v.decoder_ms:.0f} |"
        )
    return lines


def report(result: dict) -> str:
    accepted = result["web"].pop("accepted", 0)
    refused = sum(result["web"].values())
    lines = [
        f"{result['count']} files from seed {result['seed']!r} ({result['real']} real files among "
        f"the sound ones), {result['bytes'] / 2**30:.1f} GiB, {result['seconds']} s.",
        f"Web: {refused} refused, {accepted} accepted, {len(result['failures'])} failures.",
        *(f"  {code} {count}" for code, count in result["web"].most_common()),
        f"Decoder: {sum(result['decoder'].values())} files.",
        *(f"  {code} {count}" for code, count in result["decoder"].most_common()),
        f"Contained crashes and broken limits: {dict(result['crashed'])}",
    ]
    for name in ("slowest_web_ms", "largest_web_mib", "slowest_decoder_ms"):
        value, number = result[name]
        lines.append(f"{name}: {value:.1f} (file {number})")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--named", action="store_true", help="the corpus of named files instead")
    parser.add_argument("--only", type=int, help="this file alone")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.count)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")
    import django

    django.setup()
    if options.named:
        print("\n".join(named()))
        return
    result = attack(numbers, options.seed, options.keep)
    if options.json:
        options.json.write_text(json.dumps(result))
    print(report(result))
    sys.exit(bool(result["failures"]))


if __name__ == "__main__":
    main()
