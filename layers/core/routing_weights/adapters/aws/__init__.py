"""The stores: audit records, documents, secrets, forecasts, executions. boto3 is imported when it is first used."""
