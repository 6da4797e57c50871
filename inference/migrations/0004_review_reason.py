"""Why a reading is contested, and which judgement of a doctor counts: the newest."""

from django.conf import settings
from django.db import migrations, models


def mark_newest(apps, _schema_editor):
    """Until now the newest counted, and nothing on the row said so."""
    Review = apps.get_model("inference", "Review")
    newest = {}
    rows = Review.objects.order_by("created_at", "pk").values_list("analysis", "doctor", "pk")
    for analysis, doctor, pk in rows.iterator():
        newest[analysis, doctor] = pk
    keys = list(newest.values())
    for start in range(0, len(keys), 500):
        Review.objects.filter(pk__in=keys[start : start + 500]).update(is_current=True)


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0003_worklist"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "review",
            "reason",
            models.CharField(
                blank=True,
                choices=[
                    ("wrong_place", "The model looked at the wrong place"),
                    ("missed_opacity", "It missed an opacity"),
                    ("not_pneumonia", "The opacity is not pneumonia"),
                    ("artefact", "Artefact or device"),
                    ("image_quality", "Quality of the image"),
                    ("wrong_image", "Wrong patient or view"),
                    ("other", "Other, said in the comment"),
                ],
                default="",
                max_length=16,
                verbose_name="reason",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "review",
            "is_current",
            models.BooleanField(default=None, editable=False, null=True, verbose_name="counts"),
        ),
        migrations.RunPython(mark_newest, migrations.RunPython.noop),
        migrations.AlterField(
            "review",
            "is_current",
            models.BooleanField(default=True, editable=False, null=True, verbose_name="counts"),
        ),
        migrations.AddConstraint(
            "review",
            models.UniqueConstraint(
                fields=("analysis", "doctor", "is_current"), name="review_current_unique"
            ),
        ),
    ]
