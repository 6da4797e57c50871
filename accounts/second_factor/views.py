"""allauth's pages of the second factor, where they are ours."""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from allauth.mfa.totp import views
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.decorators import method_decorator


@method_decorator(login_required, name="dispatch")
class DeactivateTOTPView(views.DeactivateTOTPView):
    """Takes every app away, should there be several: MariaDB lacks allauth's conditional index."""

    def dispatch(self, request: HttpRequest, *args, **kwargs) -> HttpResponse:
        self.authenticator = self._apps().order_by("pk").first()
        if self.authenticator is None:
            raise Http404
        return self._dispatch(request, *args, **kwargs)

    @transaction.atomic
    def form_valid(self, form) -> HttpResponse:
        self._apps().exclude(pk=self.authenticator.pk).delete()
        return super().form_valid(form)

    def _apps(self):
        return Authenticator.objects.filter(user=self.request.user, type=Authenticator.Type.TOTP)
