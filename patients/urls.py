from django.urls import path

from . import views, views_accesses, views_emergency

app_name = "patients"
urlpatterns = [
    path("", views.patient_list, name="list"),
    path("new/", views.patient_new, name="create"),
    path("search/", views.patient_search, name="search"),
    path("emergency/", views_emergency.emergencies, name="emergency"),
    path("emergency/noted/", views_emergency.noted, name="emergency_noted"),
    path("emergency/<uuid:pk>/end/", views_emergency.end, name="emergency_end"),
    path("<uuid:pk>/", views.patient_detail, name="detail"),
    path("<uuid:pk>/edit/", views.patient_edit, name="update"),
    path("<uuid:pk>/sharing/", views.patient_sharing, name="sharing"),
    path("<uuid:pk>/accesses/", views_accesses.patient_access_list, name="accesses"),
]
