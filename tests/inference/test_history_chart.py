"""The chart of a patient's probabilities: where marks stand and which are joined."""

import datetime as dt

import pytest

from inference.history_chart import BOTTOM, HEIGHT, TOP, WIDTH, history_chart
from inference.models import LABELS
from tests.inference.factories import AnalysisFactory, ModelVersionFactory
from tests.patients.factories import PatientFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def analyses():
    """``analyses(("2024-01-01", version), ...)``: finished ones of one patient."""
    patient = PatientFactory()

    def make(*rows, **fields):
        return [
            AnalysisFactory(
                radiograph__patient=patient,
                radiograph__acquired_on=dt.date.fromisoformat(day),
                model_version=version,
                **fields,
            )
            for day, version in rows
        ]

    return make


def test_one_reading_is_no_history(analyses):
    version = ModelVersionFactory()
    assert history_chart([]) is None
    assert history_chart(analyses(("2024-01-01", version))) is None


def test_unfinished_readings_have_no_place(analyses):
    version = ModelVersionFactory()
    done = analyses(("2024-01-01", version), ("2024-02-01", version))
    waiting = AnalysisFactory(queued=True)
    failed = AnalysisFactory(failed=True)
    chart = history_chart([*done, waiting, failed])
    assert [len(series.marks) for series in chart.series] == [2, 2, 2]


def test_marks_stand_by_date_and_probability(analyses):
    version = ModelVersionFactory()
    rows = analyses(
        ("2024-03-01", version), ("2024-01-01", version), ("2024-01-31", version)
    )  # fmt: skip
    chart = history_chart(rows)
    assert [series.label for series in chart.series] == list(LABELS)
    places = [float(mark.x) for mark in chart.series[0].marks]
    assert places == sorted(places)
    assert (places[1] - places[0]) / (places[2] - places[0]) == pytest.approx(0.5, abs=0.01)
    opacity = chart.series[1]
    height = HEIGHT - BOTTOM - TOP
    assert float(opacity.marks[0].y) == pytest.approx(TOP + 0.15 * height, abs=0.1)
    assert [mark.value for mark in opacity.marks] == [0.85] * 3


def test_readings_of_one_day_stand_side_by_side(analyses):
    version = ModelVersionFactory()
    chart = history_chart(analyses(("2024-01-01", version), ("2024-01-01", version)))
    first, second = (float(mark.x) for mark in chart.series[0].marks)
    assert first < second
    assert chart.days == []


def test_versions_are_not_silently_joined(analyses):
    old, new = ModelVersionFactory(), ModelVersionFactory()
    chart = history_chart(
        analyses(
            ("2024-01-01", old), ("2024-02-01", old), ("2024-03-01", new), ("2024-04-01", new),
            ("2024-05-01", old),
        )
    )  # fmt: skip
    for series in chart.series:
        assert len(series.marks) == 5
        assert [path.count("L") for path in series.paths] == [1, 1]
    assert [(known.letter, known.version) for known in chart.versions] == [("A", old), ("B", new)]
    assert [(span.letter, span.is_change) for span in chart.spans] == [
        ("A", False), ("B", True), ("A", True),
    ]  # fmt: skip
    marks = [float(mark.x) for mark in chart.series[0].marks]
    change = float(chart.spans[1].x)
    assert change == pytest.approx((marks[1] + marks[2]) / 2, abs=0.1)
    assert float(chart.view_box.split()[1]) < 0


def test_one_version_needs_no_letter(analyses):
    version = ModelVersionFactory()
    chart = history_chart(analyses(("2024-01-01", version), ("2024-02-01", version)))
    assert chart.spans == []
    assert chart.view_box == f"0 0 {WIDTH} {HEIGHT}"


def test_letters_do_not_lie_over_one_another(analyses):
    old, new = ModelVersionFactory(), ModelVersionFactory()
    chart = history_chart(
        analyses(
            ("2024-01-01", old), ("2024-01-02", new), ("2024-01-03", old), ("2024-12-01", new)
        )
    )  # fmt: skip
    assert [span.letter for span in chart.spans] == ["A", "", "", "B"]
    assert all(span.is_change for span in chart.spans[1:])


def test_the_numbers_of_the_chart_stand_together_by_reading(analyses):
    version = ModelVersionFactory()
    chart = history_chart(analyses(("2024-01-01", version), ("2024-02-01", version)))
    rows = chart.marks_by_day
    assert [row[0].analysis.radiograph.acquired_on.month for row in rows] == [2, 1]
    assert [mark.value for mark in rows[0]] == [0.05, 0.85, 0.10]


def test_what_is_unlike_has_no_place(analyses):
    version = ModelVersionFactory()
    rows = analyses(("2024-01-01", version), ("2024-01-02", version))
    assert history_chart(rows + analyses(("2024-01-03", version), certainty="unlike")) == (
        history_chart(rows)
    )
