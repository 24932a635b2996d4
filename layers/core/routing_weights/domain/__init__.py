"""The knowledge of the business: plans, fleets, queues, decisions, records. Pure: no AWS, no HTTP, no clock of its own.

A new actuator is one file in `actuators/` and two entries in its registry. A new status is a member of `Status` in
`status.py` and its row of `FACTS`; for a fleet, of `FleetStatus` in `fleet.py`. The files `fleet*.py` and
`neighbours.py` are about many plans in one submission, `effort.py` counts and prices what a run asks for, and
`pace.py` has the rule of the request budget.
"""
