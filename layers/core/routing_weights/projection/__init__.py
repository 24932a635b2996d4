"""What a plan will do to the queue, computed before any write. No AWS, no HTTP."""

from routing_weights.projection.saturation import Forecast, Projection, project

__all__ = ["Forecast", "Projection", "project"]
