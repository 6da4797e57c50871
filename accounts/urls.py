from django.urls import path

from . import views
from .sessions import views as sessions
from .verification import views as verification

app_name = "accounts"

urlpatterns = [
    path("", views.account, name="account"),
    path("waiting/", verification.waiting, name="waiting"),
    path("waiting/proof/", verification.proof, name="proof"),
    path("waiting/apply/", verification.apply, name="apply"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/end/", sessions.end, name="session_end"),
    path("tokens/", views.token_new, name="token_new"),
    path("tokens/revoke/", views.token_end, name="token_end"),
]
