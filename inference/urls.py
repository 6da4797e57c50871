from django.urls import path

from . import (
    views,
    views_design,
    views_help,
    views_history,
    views_models,
    views_new,
    views_notices,
    views_report,
    views_second,
    views_statistics,
    views_worklist,
)

app_name = "inference"
urlpatterns = [
    path("help/", views_help.help_page, name="help"),
    path("design/", views_design.design, name="design"),
    path("readings/new/", views_new.reading_new, name="new"),
    path("readings/inspect/", views_new.reading_inspect, name="inspect"),
    path("worklist/", views_worklist.worklist, name="worklist"),
    path("worklist/news/", views_worklist.news, name="worklist_news"),
    path("worklist/read-again/", views_worklist.reread, name="worklist_reread"),
    path("worklist/export/", views_worklist.export, name="worklist_export"),
    path("worklist/<uuid:pk>/approve/", views_worklist.approve, name="worklist_approve"),
    path("notices/", views_notices.notices, name="notices"),
    path("statistics/", views_statistics.statistics, name="statistics"),
    path("statistics/judgements.csv", views_statistics.statistics_csv, name="statistics_csv"),
    path("radiographs/", views.reading_list, name="list"),
    path("radiographs/<uuid:pk>/", views.reading_page, name="reading"),
    path("radiographs/<uuid:pk>/viewer/", views.reading_viewer, name="viewer"),
    path("radiographs/<uuid:pk>/status/", views.reading_status, name="status"),
    path("radiographs/<uuid:pk>/result/", views.reading_result, name="result"),
    path("radiographs/<uuid:pk>/retry/", views.reading_retry, name="retry"),
    path("radiographs/<uuid:pk>/read-again/", views_history.read_again, name="read_again"),
    path("radiographs/<uuid:pk>/report.pdf", views_report.reading_report_pdf, name="report"),
    path("patients/<uuid:pk>/report.pdf", views_report.patient_report_pdf, name="patient_report"),
    path("second-readings/", views_second.second_reading_list, name="second_readings"),
    path(
        "second-readings/<uuid:pk>/withdraw/",
        views_second.second_reading_end,
        name="second_reading_end",
    ),
    path(
        "radiographs/<uuid:pk>/second-readings/",
        views_second.second_reading_new,
        name="second_reading_new",
    ),
    path("models/<str:name>/<str:version>/", views_models.model_card_page, name="model_card"),
    path("analyses/<uuid:pk>/map.png", views.reading_map, name="map"),
    path("analyses/<uuid:pk>/review/", views.reading_review, name="review"),
]
