"""The contracts: the dialects of Genesys, one module each. Each satisfies the port `Genesys` (application.ports)."""
