"""Practices: doctors who share patients, their roles, and how one joins and leaves."""
