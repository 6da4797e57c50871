"""Encryption of the stored files at rest (docs/security.md)."""
