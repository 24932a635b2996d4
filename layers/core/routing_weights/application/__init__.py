"""The use cases, one file per verb. They see stores, Genesys and clocks only through `ports.py`.

A door is one call of `submit.Submit`: a new one names itself in `domain.run.Origin.door`, and calls it from a function
or from a route in `api`. A new store is a Protocol in `ports.py`, an adapter in `adapters/aws` that satisfies it by its
shape, and a builder in `bootstrap`.

Many plans at once come in through `submit_fleet.SubmitFleet`. `advance_fleet` takes a fleet from step to step,
`show_fleet` shows it, and `steer_fleet` cancels, continues or reverts it. `account` counts the effort of a run.
"""
