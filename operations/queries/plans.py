"""How the database would go about a statement, and what that says of its indexes.

A statement is explained, never executed, and only one that reads. Values were never kept, so
made-up ones of the columns' types stand in their place; what a database guesses of their
frequency may differ from what it does for real ones, which indexes it can use does not.
"""

from __future__ import annotations

import datetime as dt
import re
import uuid
from dataclasses import dataclass, field

from django.apps import apps
from django.db import DatabaseError, connection, models, transaction
from django.utils.translation import gettext as _

# A table of fewer rows is read as a whole faster than through an index.
LARGE = 1000
NAME = r'["`]?(\w+)["`]?'
OPERATOR = r"(?:=|<>|!=|<=|>=|<|>|LIKE(?: BINARY)?|IN|BETWEEN|IS)"
PARAMETER = re.compile(r"%%|%s")
COLUMN_BEFORE = re.compile(
    rf"{NAME}\.{NAME}\s*(?:=|<>|!=|<=|>=|<|>|LIKE(?: BINARY)?|IN \(|BETWEEN(?: %s AND)?)\s*$"
)
COUNT_BEFORE = re.compile(r"(LIMIT|OFFSET)\s+$")
SOURCE = re.compile(rf"\b(?:FROM|JOIN) {NAME}(?: (?!ON\b|WHERE\b|USE\b)([A-Z]+\d+)\b)?")
USED = re.compile(rf"{NAME}\.{NAME}\s*{OPERATOR}(?!\w)")

SAMPLES = {
    "BigAutoField": 1,
    "BooleanField": True,
    "DateField": dt.date(2000, 1, 1),
    "DateTimeField": dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
    "DecimalField": 1,
    "DurationField": dt.timedelta(seconds=1),
    "FloatField": 1.0,
    "GenericIPAddressField": "192.0.2.1",
    "TimeField": dt.time(12),
    "UUIDField": uuid.UUID(int=0),
}
TEXTS = ("CharField", "TextField", "EmailField", "SlugField", "URLField", "FileField", "JSONField")


@dataclass
class Plan:
    """What the database said, line by line, what it means, or why it said nothing."""

    columns: list[str] = field(default_factory=list)
    rows: list[tuple] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    problem: str = ""


def explain(statement: str) -> Plan:
    """The plan of a normalised ``statement``; a sentence where it can't be had."""
    if not statement.upper().startswith("SELECT ") or ";" in statement:
        return Plan(problem=_("Only statements that read are explained."))
    sqlite = connection.vendor == "sqlite"
    command = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(command + statement, parameters(statement))
            found = Plan([column[0] for column in cursor.description], cursor.fetchall())
    except (DatabaseError, ValueError, TypeError) as error:
        name = type(error).__name__
        return Plan(problem=_("The database can't explain it (%(error)s).") % {"error": name})
    found.hints = (_sqlite_hints if sqlite else _mysql_hints)(found, statement)
    return found


# --- Values ----------------------------------------------------------------------------------


def parameters(statement: str) -> list:
    """A made-up value for each ``%s``, of the type of the column that it is compared with."""
    tables = sources(statement)
    found = []
    for match in PARAMETER.finditer(statement):
        if match[0] == "%s":
            found.append(_value(statement[max(0, match.start() - 200) : match.start()], tables))
    return found


def sources(statement: str) -> dict[str, str]:
    """The table of each name in the statement: ``T4`` and ``U0`` stand for tables."""
    return {alias or table: table for table, alias in SOURCE.findall(statement)}


def _value(before: str, tables: dict[str, str]):
    if count := COUNT_BEFORE.search(before):
        return 25 if count[1] == "LIMIT" else 0
    if column := COLUMN_BEFORE.search(before):
        found = _field(tables.get(column[1], column[1]), column[2])
        if found is not None:
            return _sample(found)
    return 1


def _field(table: str, column: str) -> models.Field | None:
    for model in apps.get_models(include_auto_created=True):
        if model._meta.db_table == table:
            return next((f for f in model._meta.concrete_fields if f.column == column), None)
    return None


def _sample(found: models.Field):
    while found.remote_field:
        found = found.target_field
    kind = found.get_internal_type()
    if kind in TEXTS:
        return "x"
    return found.get_db_prep_value(SAMPLES.get(kind, 1), connection)


# --- Hints -----------------------------------------------------------------------------------


def _sqlite_hints(plan: Plan, statement: str) -> list[str]:
    tables, hints = sources(statement), []
    sizes = {table: _sqlite_size(table) for table in set(tables.values())}
    large = max(sizes.values(), default=0) >= LARGE
    for line in (str(row[-1]) for row in plan.rows):
        scan = re.match(r"SCAN (\w+)(?! USING (?:COVERING )?INDEX)\s*$", line)
        if scan and sizes.get(table := tables.get(scan[1], scan[1]), 0) >= LARGE:
            hints.append(_full_scan(table, sizes[table], statement, tables))
        if "AUTOMATIC" in line:
            hints.append(_("An index is made for each run and thrown away: it is missing."))
        if large and "TEMP B-TREE FOR ORDER BY" in line:
            hints.append(_sorted())
        elif large and "TEMP B-TREE" in line:
            hints.append(_temporary())
    return list(dict.fromkeys(hints))


def _sqlite_size(table: str) -> int:
    """About how many rows there are: the last row's number, which is read at once."""
    if table not in connection.introspection.table_names():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT MAX(rowid) FROM {connection.ops.quote_name(table)}")  # noqa: S608
        return cursor.fetchone()[0] or 0


def _mysql_hints(plan: Plan, statement: str) -> list[str]:
    tables, hints = sources(statement), []
    for row in plan.rows:
        line = dict(zip(plan.columns, row, strict=True))
        count, extra = int(line.get("rows") or 0), str(line.get("Extra") or "")
        if count < LARGE:
            continue
        if line.get("type") == "ALL":
            table = tables.get(line["table"], line["table"])
            hints.append(_full_scan(table, count, statement, tables))
        if "Using filesort" in extra:
            hints.append(_sorted())
        if "Using temporary" in extra:
            hints.append(_temporary())
        if "join buffer" in extra:
            hints.append(
                _("Each row is compared with each of another table: a join lacks an index.")
            )
    return list(dict.fromkeys(hints))


def _full_scan(table: str, rows: int, statement: str, tables: dict[str, str]) -> str:
    where = statement.partition(" WHERE ")[2] or statement
    columns = sorted(
        {column for name, column in USED.findall(where) if tables.get(name, name) == table}
    )
    facts = {"table": table, "rows": rows, "columns": ", ".join(columns)}
    if columns:
        return (
            _(
                "All rows of %(table)s are read, about %(rows)s: an index that begins with one of "
                "%(columns)s may help."
            )
            % facts
        )
    return _("All rows of %(table)s are read, about %(rows)s.") % facts


def _sorted() -> str:
    return _("The rows found are sorted: an index in the order of ORDER BY would give them so.")


def _temporary() -> str:
    return _("The rows found are collected in a temporary table before they are grouped.")
