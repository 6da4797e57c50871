"""Every route of the REST API: the one place that knows all apps' views."""

from django.urls import include, path, re_path
from django.views.generic import RedirectView
from rest_framework.routers import SimpleRouter

from accounts.api.views import LogoutView, MeView, TokenView
from inference.api.radiographs import RadiographViewSet
from inference.api.views import AnalysisViewSet, ModelVersionViewSet
from patients.api.views import PatientViewSet
from pneumoniapp.api.docs import DocsView, ProblemsView, ProblemView, RootView, SchemaView
from pneumoniapp.api.problems import not_found
from radiology.api.views import DicomView, PreviewView

router = SimpleRouter(use_regex_path=False)
router.register("patients", PatientViewSet, "patient")
router.register("radiographs", RadiographViewSet, "radiograph")
router.register("analyses", AnalysisViewSet, "analysis")
router.register("models", ModelVersionViewSet, "model")

version_1 = [
    path("", RootView.as_view(), name="root"),
    path("auth/token/", TokenView.as_view(), name="token"),
    path("auth/logout/", LogoutView.as_view(), name="logout"),
    path("me/", MeView.as_view(), name="me"),
    path("radiographs/<uuid:pk>/preview/", PreviewView.as_view(), name="radiograph-preview"),
    path("radiographs/<uuid:pk>/dicom/", DicomView.as_view(), name="radiograph-dicom"),
    *router.urls,
]

app_name = "api"
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="api:docs"), name="index"),
    path("v1/", include(version_1)),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", DocsView.as_view(), name="docs"),
    path("problems/", ProblemsView.as_view(), name="problems"),
    path("problems/<slug:code>/", ProblemView.as_view(), name="problem"),
    # No address below /api/ answers with a page.
    re_path(r"", not_found, name="not-found"),
]
