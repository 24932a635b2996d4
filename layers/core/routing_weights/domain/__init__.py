"""The knowledge of the business: plans, queues, decisions, records. Pure: no AWS, no HTTP, no clock of its own.

A new actuator is one file in `actuators/` and one line in its registry; a new status is one row in `status.py`.
"""
