"""Routing weights for Genesys Cloud queues: the layer that every function imports.

The folder is the layer, and imports point one way:

    functions -> api -> bootstrap -> application, adapters, charts -> domain, projection

- `domain`, `projection`: rules and mathematics; no AWS, no HTTP, no clock of their own.
- `application`: the use cases, one file per verb.
- `adapters`: AWS, Genesys, and webhooks over HTTP.
- `api`: routes and their models: entry points like functions. `charts`: pictures.
- `bootstrap`: builds use cases from settings and the invocation's context. `errors`, `settings`: for every layer.
"""
