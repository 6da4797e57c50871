"""Readings on paper: what a report says (``content``) and the PDF made of it (``rendering``)."""
