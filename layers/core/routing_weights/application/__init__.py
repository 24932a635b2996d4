"""The use cases, one file per verb. They see stores, Genesys and clocks only through `ports.py`."""
