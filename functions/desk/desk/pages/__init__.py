"""The pages: a module for each, with its routes and its template. A page with NAV is in the bar of every page."""

from desk.pages import approvals, audit, distribution, fleets, queue, queues, schedules, shares
from desk.rendering import environment
from desk.web import Routes

ROUTES = Routes()
PAGES = (queues, queue, distribution, approvals, schedules, fleets, shares, audit)
for of_page in PAGES:
    ROUTES.include(of_page.routes)
environment().globals["nav"] = [of_page.NAV for of_page in PAGES if hasattr(of_page, "NAV")]
