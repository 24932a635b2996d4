"""What implements the ports: AWS, Genesys, and an HTTP client for webhooks."""
