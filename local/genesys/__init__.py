"""The Genesys simulator: an HTTP server with state, rate limits, token expiry and scripted faults.

It imports nothing of the layer, because it is the oracle the layer is tested against.
"""

from local.genesys.settings import Settings
from local.genesys.simulator import GenesysSimulator

__all__ = ["GenesysSimulator", "Settings"]
