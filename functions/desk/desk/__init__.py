"""The pages of the desk. They know the API by its answers only; adapters come from routing_weights.bootstrap.desk."""
