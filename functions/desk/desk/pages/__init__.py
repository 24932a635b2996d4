"""The pages: a module for each, with its routes and its template."""

from desk.pages import queues
from desk.web import Routes

ROUTES = Routes()
for of_page in (queues,):
    ROUTES.include(of_page.routes)
