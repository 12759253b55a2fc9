"""Kills at named points of the core; needs the crash build (make test-crash)."""
