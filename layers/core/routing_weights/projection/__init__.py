"""What a plan will do to the queue, computed before any write. No AWS, no HTTP."""

from routing_weights.projection.inputs import ASSUMED_PATIENCE_S, Forecast, Observed, Volume
from routing_weights.projection.saturation import Projection, project

__all__ = ["ASSUMED_PATIENCE_S", "Forecast", "Observed", "Projection", "Volume", "project"]
