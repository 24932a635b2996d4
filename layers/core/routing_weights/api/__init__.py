"""The HTTP API: its routes and their models, one file per resource."""
