"""HTTP to systems that are neither AWS nor Genesys."""
