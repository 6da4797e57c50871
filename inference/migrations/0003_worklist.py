"""What the worklist orders and filters by, on the analysis itself, filled for what is there."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce, Round


def fill(apps, _schema_editor):
    """Copy owner and date from the radiograph, and the owner's newest verdict."""
    Analysis = apps.get_model("inference", "Analysis")
    Review = apps.get_model("inference", "Review")
    Radiograph = apps.get_model("radiology", "Radiograph")
    radiograph = Radiograph.objects.filter(pk=OuterRef("radiograph"))
    Analysis.objects.update(
        owner_id=Subquery(radiograph.values("owner")[:1]),
        acquired_on=Subquery(radiograph.values("acquired_on")[:1]),
    )
    own = Review.objects.filter(doctor=F("analysis__radiograph__owner"))
    judged = own.order_by("created_at", "pk").values_list("analysis", "verdict")
    for analysis, verdict in judged.iterator():
        Analysis.objects.filter(pk=analysis).update(judgement=verdict)


FALLING = 100 - Round(Coalesce(F("p_lung_opacity"), 0.0) * 100)


class Migration(migrations.Migration):
    dependencies = [
        ("inference", "0002_certainty_sets"),
        ("radiology", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            "analysis",
            "acquired_on",
            models.DateField(editable=False, null=True, verbose_name="date of the radiograph"),
        ),
        migrations.AddField(
            "analysis",
            "judgement",
            models.CharField(
                blank=True,
                default="",
                editable=False,
                max_length=16,
                verbose_name="judgement",
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            "analysis",
            "owner",
            models.ForeignKey(
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="doctor",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            "analysis",
            "acquired_on",
            models.DateField(editable=False, verbose_name="date of the radiograph"),
        ),
        migrations.AlterField(
            "analysis",
            "owner",
            models.ForeignKey(
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
            "urgency",
            models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    When(status="failed", then=Value(0)),
                    When(status="running", then=Value(3000)),
                    When(Q(status="done") & Q(certainty="unlike"), then=Value(1000)),
                    When(
                        Q(status="done") & Q(certainty__in=["uncertain", "low"]),
                        then=1000 + FALLING,
                    ),
                    When(Q(status="done"), then=2000 + FALLING),
                    default=Value(3001),
                    output_field=models.SmallIntegerField(),
                ),
                output_field=models.SmallIntegerField(),
                verbose_name="urgency",
            ),
        ),
        migrations.AddIndex(
            "analysis",
            models.Index(
                fields=[
                    "owner",
                    "is_current",
                    "judgement",
                    "urgency",
                    "radiograph",
                    "label",
                    "certainty",
                    "status",
                    "acquired_on",
                ],
                name="analysis_worklist",
            ),
        ),
        migrations.AddIndex(
            "analysis",
            models.Index(
                fields=[
                    "owner",
                    "is_current",
                    "urgency",
                    "radiograph",
                    "judgement",
                    "label",
                    "certainty",
                    "status",
                    "acquired_on",
                ],
                name="analysis_worklist_all",
            ),
        ),
        migrations.AddIndex(
            "analysis", models.Index(fields=["owner", "finished_at"], name="analysis_finished")
        ),
    ]
