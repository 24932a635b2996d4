"""The use cases, one file per verb. They see stores, Genesys and clocks only through `ports.py`.

A door is one call of `submit.Submit`: a new one names itself in `domain.run.Origin.door`, and calls it from a function
or from a route in `api`. A new store is a Protocol in `ports.py`, an adapter in `adapters/aws` that satisfies it by its
shape, and a builder in `bootstrap`.
"""
