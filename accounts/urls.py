from django.urls import path

from . import views

app_name = "accounts"

urlpatterns = [
    path("", views.account, name="account"),
    path("waiting/", views.waiting, name="waiting"),
    path("tokens/", views.token_new, name="token_new"),
    path("tokens/revoke/", views.token_end, name="token_end"),
]
