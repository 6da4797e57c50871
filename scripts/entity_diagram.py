"""Write docs/entities.md, the entity diagram, from the models.

``python scripts/entity_diagram.py`` writes it; ``--check`` exits 1 when the file is stale.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "entities.md"
APPS = ("accounts", "patients", "radiology", "inference", "operations")


def entity_diagram() -> str:
    """The Mermaid entity diagram of the project's own models, as Markdown."""
    from django.apps import apps
    from django.utils.translation import override

    lines = [
        "# Entities",
        "",
        "Made from the models by `python scripts/entity_diagram.py`; `make check` compares.",
        "",
        "```mermaid",
        "erDiagram",
    ]
    relations = []
    with override("en"):
        for label in APPS:
            for model in sorted(apps.get_app_config(label).get_models(), key=lambda m: m.__name__):
                lines.append(f"    {model.__name__} {{")
                for field in model._meta.concrete_fields:
                    marks = ", ".join(
                        mark
                        for mark, holds in (
                            ("PK", field.primary_key),
                            ("FK", field.is_relation),
                            ("UK", field.unique and not field.primary_key),
                        )
                        if holds
                    )
                    kind = field.get_internal_type()
                    lines.append(f"        {kind} {field.column} {marks}".rstrip())
                    if field.is_relation and field.related_model._meta.app_label in APPS:
                        optional = "o|" if field.null else "||"
                        many = "o|" if field.one_to_one else "o{"
                        relations.append(
                            f"    {field.related_model.__name__} {optional}--{many} "
                            f'{model.__name__} : "{field.name}"'
                        )
                lines.append("    }")
    return "\n".join([*lines, *relations, "```", ""])


def main() -> int:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pneumoniapp.settings.test")
    import django

    django.setup()
    diagram = entity_diagram()
    if "--check" in sys.argv[1:]:
        if not TARGET.exists() or TARGET.read_text() != diagram:
            print("docs/entities.md is stale: run python scripts/entity_diagram.py")
            return 1
        return 0
    TARGET.write_text(diagram)
    return 0


if __name__ == "__main__":
    sys.exit(main())
