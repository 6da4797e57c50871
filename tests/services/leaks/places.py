"""Where is looked: every place where the installation left something, with its bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.db import connection

from .browser import Answer
from .ground import Ground
from .journey import Journey


@dataclass(frozen=True)
class Place:
    """``name`` begins with its kind: ``log``, ``address``, ``redis``, ``table`` and so on."""

    name: str
    data: bytes


def answers(journey: Journey) -> Iterator[Place]:
    """Addresses that were asked, headers, links in pages, what was said, and error pages."""
    for answer in journey.seen:
        where = f"{answer.method} {answer.path}"
        # What was typed by hand, and where it leads from there by itself, is not ours.
        by_hand = answer.address in journey.typed
        if not by_hand:
            yield Place(f"address: {where}", answer.address.encode())
            yield Place(f"headers: {answer.status} {where}", answer.headers.encode())
        if "html" in answer.kind and not by_hand:
            links = "\n".join(a for a in answer.page.addresses)
            yield Place(f"links: {answer.status} {where}", links.encode())
        kind = kind_of(answer)
        yield Place(f"{kind}: {answer.status} {where}", answer.body)


def kind_of(answer: Answer) -> str:
    if urlsplit(answer.address).path == "/metrics":
        return "metrics"
    # A form with what is wrong beside its fields is the person's own page.
    if answer.status >= 400 and 'class="field-errors"' not in answer.text:
        return "error"
    return "export" if "html" not in answer.kind and "json" not in answer.kind else "page"


def logs(ground: Ground) -> Iterator[Place]:
    yield Place("log: everything that a process wrote", ground.log.read_bytes())
    for number, command in enumerate(ground.commands()):
        yield Place(f"process: {number}", command.encode())


def mails(ground: Ground) -> Iterator[Place]:
    for file in sorted(ground.mails.iterdir()):
        to = re.search(rb"^To: (.*)$", file.read_bytes(), re.MULTILINE)[1].decode()
        yield Place(f"mail: {to}", file.read_bytes().replace(b"=\n", b""))


def files(ground: Ground) -> Iterator[Place]:
    """Every file of the installation by name and content; sockets by name.

    Not the models, which came with it.
    """
    for root in (ground.var, ground.temporary):
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(ground.folder))
            if name.startswith("var/models/"):
                continue
            yield Place(f"file name: {name}", name.encode())
            if path.is_file():
                kind = "database" if path.name.startswith("db.sqlite3") else "file"
                yield Place(f"{kind}: {name}", path.read_bytes())


def brokers(ground: Ground, heard: list[bytes]) -> Iterator[Place]:
    """What was sent through Redis all the time, and what lies there now."""
    yield Place("redis: all that was sent", b"\n".join(heard))
    for number in (0, 4, 5):
        with ground.broker(number) as client:
            for key in client.keys("*"):
                kind = client.type(key).decode()
                held = {
                    "string": client.get,
                    "list": lambda k, c=client: c.lrange(k, 0, -1),
                    "hash": client.hgetall,
                    "set": client.smembers,
                    "zset": lambda k, c=client: c.zrange(k, 0, -1, withscores=True),
                }[kind](key)
                data = held if isinstance(held, bytes) else _flat(held)
                yield Place(f"redis: {number} {key.decode(errors='replace')}", key + b"\n" + data)


def _flat(held) -> bytes:
    if isinstance(held, dict):
        held = [*held.keys(), *held.values()]
    return b"\n".join(x if isinstance(x, bytes) else str(x).encode() for x in held)


def tables() -> Iterator[Place]:
    """Every row of every table of the database."""
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(name)}")
            rows = cursor.fetchall()
            text = "\n".join("\t".join(map(_text, row)) for row in rows)
            yield Place(f"table: {name}", text.encode())


def _text(value) -> str:
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value if isinstance(value, str) else json.dumps(value, default=str)
