"""Schedules: their expressions, their calendar, and what a valid one is."""
