"""The knowledge of the business: plans, queues, decisions, records. Pure: no AWS, no HTTP, no clock of its own.

A new actuator is one file in `actuators/` and two entries in its registry. A new status is a member of `Status` in
`status.py` and its row of `FACTS`.
"""
