"""Which statements of the running system are slow, how the database goes about them, and why."""
