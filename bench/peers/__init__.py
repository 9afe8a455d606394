"""The systems that meet in the bench: one module each, with `connect(options)` (see driver.py)."""
