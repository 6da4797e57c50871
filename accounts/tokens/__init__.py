"""Tokens by which programs act for an account: scoped, expiring, shown once, hashed, revocable."""
