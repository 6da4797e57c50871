"""Whether a doctor is the registered doctor they say they are, and who has decided it.

The states and who moves them are described in docs/accounts.md.
"""
