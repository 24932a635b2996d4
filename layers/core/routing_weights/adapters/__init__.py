"""The implementations of the ports: AWS, Genesys, and an HTTP client for webhooks."""
