"""The practice that a patient is shared with, on the analysis itself, filled for what is there."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

FILTERED = ["label", "certainty", "status", "acquired_on"]
# Keys in one statement.
BATCH = 1000


def fill(apps, _schema_editor):
    """Copy the practice of each patient who is shared."""
    Analysis = apps.get_model("inference", "Analysis")
    Patient = apps.get_model("patients", "Patient")
    shared = Patient.objects.exclude(practice=None).order_by("pk")
    for patient, practice in list(shared.values_list("pk", "practice")):
        rows = Analysis.objects.filter(radiograph__patient=patient).order_by("pk")
        keys = list(rows.values_list("pk", flat=True))
        for at in range(0, len(keys), BATCH):
            Analysis.objects.filter(pk__in=keys[at : at + BATCH]).update(practice=practice)


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0010_emergency_until"),
        ("inference", "0007_review_region"),
        ("patients", "0006_emergency_until"),
        ("radiology", "0005_burned_in_text"),
    ]

    operations = [
        migrations.AlterField(
            "analysis",
            "owner",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="doctor",
            ),
        ),
        migrations.AddField(
            "analysis",
            "practice",
            models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="accounts.practice",
                verbose_name="shared with",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.AddIndex(
            "analysis",
            models.Index(
                fields=["practice", "is_current", "judgement", "urgency", "radiograph", *FILTERED],
                name="analysis_practice",
            ),
        ),
        migrations.AddIndex(
            "analysis",
            models.Index(
                fields=["practice", "is_current", "urgency", "radiograph", "judgement", *FILTERED],
                name="analysis_practice_all",
            ),
        ),
        migrations.AddIndex(
            "analysis",
            models.Index(fields=["practice", "finished_at"], name="analysis_practice_done"),
        ),
    ]
