"""Wires the use cases: settings and the invocation's context in, a use case with its adapters out.

There is one module per function, of the function's name, and it imports at its top what it wires. So a function loads
in Lambda's init phase, which has a whole processor, and loads exactly its own use cases and adapters; its first event
finds everything in place. What several functions wire alike is in `stores` (documents and records), `genesys` (the
contract for a plan), `analytics` (loads of queues), `projector`, `submitting`, `people` (who calls a route), `secrets`,
`session` and `deadlines`.

To wire a new use case, add a builder to the module of the function that calls it. To wire a new function, add
`<function>.py`, and import it in `functions/<function>/app.py` or in its routes: `from routing_weights.bootstrap import
<function> as bootstrap`. The module begins with `prepare("dynamodb", ...)`: the AWS services that its adapters call.
tests/unit/test_layering.py compares the services with the adapters, and counts the modules.
"""
