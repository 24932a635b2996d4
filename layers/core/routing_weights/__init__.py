"""Routing weights for Genesys Cloud queues: the layer that every function imports.

Dependencies point one way: functions -> {genesys, store} -> {plan, projection, distribution}.
"""
