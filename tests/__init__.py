"""Tests of Procession; what they share is in tests.support."""
