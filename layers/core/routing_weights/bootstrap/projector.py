"""The projection of a plan, for Project and for suggestions."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from routing_weights.adapters.aws.forecast_table import Forecasts
from routing_weights.application.forecast import Forecasting
from routing_weights.application.project import Projector
from routing_weights.bootstrap.analytics import analytics
from routing_weights.domain.effort import prices

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from routing_weights.domain.run import Run
    from routing_weights.settings import ProjectionSettings


def projector(settings: ProjectionSettings, context: LambdaContext, run: Run) -> Projector:
    def forecasting() -> Forecasting:
        return Forecasting(
            settings.forecast_sources,
            Forecasts(settings.forecast_table),
            analytics(settings, context, run),
            settings.wfm_business_unit,
            settings.forecast_max_age_s,
            settings.default_projected_load,
            time.time,
        )

    return Projector(
        forecasting,
        partial(analytics, settings, context, run),
        settings.limits,
        settings.deployed_actuator,
        settings.our_requests_per_minute,
        settings.max_concurrent_writes,
        prices(settings.aws_region),
        settings.standings_s,
        settings.draw_limit,
        time.time,
    )
