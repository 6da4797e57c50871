"""Every address of the application; each app keeps its own in ``<app>/urls.py``."""

from django.contrib import admin
from django.urls import include, path

from accounts.second_factor.views import DeactivateTOTPView
from accounts.views import SignupView, language_set

from . import views

handler400 = views.bad_request
handler403 = views.permission_denied
handler404 = views.page_not_found
handler500 = views.server_error

urlpatterns = [
    path("", include("operations.urls")),
    path("", views.landing, name="landing"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("patients/", include("patients.urls")),
    path("", include("inference.urls")),
    path("", include("radiology.urls")),
    path("i18n/setlang/", language_set, name="set_language"),
    path("account/", include("accounts.urls")),
    path("accounts/signup/", SignupView.as_view(), name="account_signup"),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/totp/deactivate/", DeactivateTOTPView.as_view(), name="mfa_deactivate_totp"),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("api/", include("pneumoniapp.api_urls")),
    path("admin/", admin.site.urls),
]
