from django.urls import path

from . import views

app_name = "radiology"
urlpatterns = [
    path("radiographs/<uuid:pk>/preview.jpg", views.radiograph_preview, name="preview"),
    path("radiographs/<uuid:pk>/image.dcm", views.radiograph_dicom, name="dicom"),
]
