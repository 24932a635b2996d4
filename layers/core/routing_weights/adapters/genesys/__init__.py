"""The Genesys side: token, HTTP client, and one module per contract."""
