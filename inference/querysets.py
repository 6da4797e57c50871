"""Which analyses whom concern: the one access rule of readings."""

from __future__ import annotations

from django.db import models
from django.db.models.query import ModelIterable

from patients.models import opened_to, shared_with, treated_with
from radiology.models import Radiograph, lent_to

from .withholding import judged_by, withhold

PATIENT = "radiograph__patient__"


def _own(user) -> models.Q:
    return models.Q(radiograph__owner=user)


def _shown(user) -> models.Q:
    return shared_with(user, PATIENT) | opened_to(user, PATIENT)


def _lent(user) -> models.Q:
    return models.Q(radiograph__in=lent_to(user))


class AnalysisQuerySet(models.QuerySet):
    """Rows fetched for a doctor who reads first are withheld (``inference.withholding``)."""

    _reader = None

    def visible_to(self, user) -> AnalysisQuerySet:
        """The analyses of the radiographs that ``user`` may see, those read second included."""
        if getattr(user, "is_staff", False):
            return self.filter(radiograph__in=Radiograph.objects.visible_to(user))
        if getattr(user, "may_practise", False):
            rows = _own(user) | _lent(user) | _shown(user)
            return self.filter(rows).for_reader(user)
        return self.none()

    def known_to(self, user) -> AnalysisQuerySet:
        """The same without what is read second: where the patient's history and identity show."""
        if not getattr(user, "may_practise", False):
            return self.none()
        return self.filter(_own(user) | _shown(user)).for_reader(user)

    def treated_by(self, user) -> AnalysisQuerySet:
        """Those of the patients whom ``user`` treats: for what changes them."""
        if not getattr(user, "may_practise", False):
            return self.none()
        return self.filter(_own(user) | treated_with(user, PATIENT)).for_reader(user)

    def open_to_judge(self, user) -> AnalysisQuerySet:
        """Those that ``user`` may judge: of patients whom they treat, and those read second.

        A program judges nothing.
        """
        if not getattr(user, "may_practise", False) or user.is_service:
            return self.none()
        treated = treated_with(user, PATIENT)
        return self.filter(_own(user) | _lent(user) | treated).for_reader(user)

    def owned_by(self, user) -> AnalysisQuerySet:
        """Those of a doctor's own patients: for lists, and for what their doctor alone may do."""
        if not getattr(user, "may_practise", False):
            return self.none()
        return self.filter(radiograph__owner=user).for_reader(user)

    def of_doctor(self, user) -> AnalysisQuerySet:
        """``owned_by`` by the copied owner: no join, for lists that indexes carry."""
        if not getattr(user, "may_practise", False):
            return self.none()
        return self.filter(owner=user).for_reader(user)

    def of_practice(self, user) -> AnalysisQuerySet:
        """``shared_by_practice`` by the copied practice: no join, for lists that indexes carry."""
        if not getattr(user, "may_practise", False) or not user.practice_id:
            return self.none()
        return self.filter(practice=user.practice_id).for_reader(user)

    def shared_by_practice(self, user) -> AnalysisQuerySet:
        """Those of all patients whom ``user``'s practice shares, ``user``'s own included."""
        if not getattr(user, "may_practise", False):
            return self.none()
        return self.filter(shared_with(user, PATIENT)).for_reader(user)

    def revealed_to(self, user) -> AnalysisQuerySet:
        """What is asked for by class or certainty: nothing that is withheld from ``user``."""
        return self.filter(judged_by(user)) if user.read_first else self

    def for_reader(self, user) -> AnalysisQuerySet:
        """The same rows, withheld where ``user`` has to judge first."""
        rows = self._chain()
        rows._reader = user if user.read_first else None
        return rows

    def _clone(self) -> AnalysisQuerySet:
        rows = super()._clone()
        rows._reader = self._reader
        return rows

    def _fetch_all(self) -> None:
        fresh = self._result_cache is None
        super()._fetch_all()
        if fresh and self._reader is not None and issubclass(self._iterable_class, ModelIterable):
            withhold(self._result_cache, self._reader)

    def current(self) -> AnalysisQuerySet:
        """The newest analysis of each radiograph."""
        return self.filter(is_current=True)
