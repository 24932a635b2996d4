"""The stores: audit records, documents, fleets, secrets, forecasts, the request budget, executions and their effort."""
