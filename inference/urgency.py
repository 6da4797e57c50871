"""How soon a doctor should look at a reading: the order of the worklist."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Coalesce, Round


class Urgency:
    """How soon a doctor should look, as a number: the smaller, the sooner.

    Failed readings are 0. Then come those that leave it to a person, and the other ones:
    each group begins at its number and ends 100 later, by falling probability of opacity
    in whole percent, the way it is shown. Those that are not like what the model knows
    have no probability worth the name: they begin their group.
    """

    FAILED, OPEN, READ, RUNNING, QUEUED = 0, 1000, 2000, 3000, 3001
    SPAN = 100


def urgency() -> models.Case:
    falling = 100 - Round(Coalesce(models.F("p_lung_opacity"), 0.0) * 100)
    done = models.Q(status="done")
    unsure = models.Q(certainty__in=["uncertain", "low"])
    return models.Case(
        models.When(status="failed", then=models.Value(Urgency.FAILED)),
        models.When(status="running", then=models.Value(Urgency.RUNNING)),
        models.When(done & models.Q(certainty="unlike"), then=models.Value(Urgency.OPEN)),
        models.When(done & unsure, then=Urgency.OPEN + falling),
        models.When(done, then=Urgency.READ + falling),
        default=models.Value(Urgency.QUEUED),
        output_field=models.SmallIntegerField(),
    )
