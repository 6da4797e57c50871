"""A model card as Markdown: the file beside the model."""

from __future__ import annotations

import re
from pathlib import Path

from django.utils import translation
from django.utils.translation import gettext as _

from .model_card import model_card
from .model_card_blocks import Block, Card

LANGUAGES = ("fr", "en")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def card_file(language: str) -> str:
    return f"model_card.{language}.md"


def card_markdown(facts: dict, *, language: str) -> str:
    """The card of ``facts`` in ``language``, as Markdown with tables."""
    with translation.override(language):
        return _document(model_card(facts))


def write_cards(folder: Path, facts: dict) -> list[Path]:
    """Write the card of ``facts`` into the model folder, once in each language."""
    found = []
    for language in LANGUAGES:
        path = folder / card_file(language)
        path.write_text(card_markdown(facts, language=language), encoding="utf-8")
        found.append(path)
    return found


def _document(card: Card) -> str:
    parts = [f"# {card.title}"]
    for section in card.sections:
        parts.append(f"## {section.title}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block(block: Block) -> str:
    match block.kind:
        case "missing":
            return f"*{_plain(block.text)}*"
        case "code":
            return f"```\n{block.text}\n```"
        case "items":
            lines = [f"- {_plain(item)}" for item in block.items]
            return "\n\n".join(part for part in (_plain(block.lead), "\n".join(lines)) if part)
        case "pairs":
            # Where the colon stands is the language's business.
            pair = _("%(group)s: %(name)s")
            return "\n".join(
                "- " + pair % {"group": _plain(name), "name": _plain(value)}
                for name, value in block.pairs
            )
        case "table":
            return _table(block.caption, [block.head, *block.rows])
        case "plot":
            # Its figures stand in the table below it.
            return ""
    return _plain(block.text)


def _table(caption: str, rows: list[list[str]]) -> str:
    lines = [
        "| " + " | ".join(_plain(cell).replace("|", "\\|") for cell in row) + " |" for row in rows
    ]
    rule = "|" + "---|" * len(rows[0])
    return "\n".join([f"**{_plain(caption)}**", "", lines[0], rule, *lines[1:]])


def _plain(text: str) -> str:
    """``text`` on one line, with what Markdown or HTML would take for its own made harmless."""
    text = " ".join(str(text).split())
    for sign in ("\\", "*", "`", "[", "]"):
        text = text.replace(sign, "\\" + sign)
    return _TAG.sub(r"\\<", text)
