"""The implementations of the ports: AWS, Genesys, and an HTTP client for webhooks."""

from routing_weights.domain.effort import Meter

meter = Meter()
"""Counts for the whole process: Lambda runs one invocation at a time in it, which may have threads."""
