from django.urls import path

from . import views, views_uploads

app_name = "radiology"
urlpatterns = [
    path("radiographs/<uuid:pk>/preview.jpg", views.radiograph_preview, name="preview"),
    path("radiographs/<uuid:pk>/depth.bin", views.radiograph_depth, name="depth"),
    path("radiographs/<uuid:pk>/depth/", views.radiograph_depth_state, name="depth_state"),
    path("radiographs/<uuid:pk>/image.dcm", views.radiograph_dicom, name="dicom"),
    path("uploads/", views_uploads.uploads, name="uploads"),
    path("uploads/<uuid:pk>/", views_uploads.upload, name="upload"),
]
