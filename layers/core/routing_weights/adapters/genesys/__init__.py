"""The Genesys side: tokens, the transport with its lanes, and one module per contract."""
