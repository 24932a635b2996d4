"""The stores: audit records, documents, secrets, forecasts, executions."""
