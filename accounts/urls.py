from django.urls import path

from . import views
from .practices import views as practices
from .sessions import views as sessions
from .tokens import views as tokens
from .verification import views as verification

app_name = "accounts"

urlpatterns = [
    path("", views.account, name="account"),
    path("waiting/", verification.waiting, name="waiting"),
    path("waiting/proof/", verification.proof, name="proof"),
    path("waiting/apply/", verification.apply, name="apply"),
    path("practice/", practices.practice, name="practice"),
    path("practice/invitations/", practices.invite, name="practice_invite"),
    path("practice/invitations/<uuid:pk>/", practices.answer, name="practice_answer"),
    path(
        "practice/invitations/<uuid:pk>/withdraw/",
        practices.withdraw,
        name="practice_withdraw",
    ),
    path("practice/members/<uuid:pk>/role/", practices.role, name="practice_role"),
    path("practice/members/<uuid:pk>/end/", practices.end, name="practice_end"),
    path("sessions/", sessions.sessions, name="sessions"),
    path("sessions/end/", sessions.end, name="session_end"),
    path("practice/programs/", practices.program_new, name="program_new"),
    path("practice/programs/<int:pk>/token/", practices.program_token, name="program_token"),
    path(
        "practice/programs/<int:pk>/token/<uuid:token>/end/",
        practices.program_token_end,
        name="program_token_end",
    ),
    path("practice/programs/<int:pk>/end/", practices.program_finish, name="program_end"),
    path("tokens/", tokens.tokens, name="tokens"),
    path("tokens/<uuid:pk>/end/", tokens.token_end, name="token_end"),
]
