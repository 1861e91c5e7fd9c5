"""One transaction, and the rhythm of many.

To add a probe: one file with a frozen settings class whose `kind` is its name in YAML, one row in `single.py`
(the table and the union below it), one test. What makes a single request begins with `probe.Probe`; any other
tells by `counted` under which names its requests are counted, with their checks. `opened(shard, shards)` gives
a client (`client.py`): most have a coroutine `transact`, some start transactions without a task for each.
A failed transaction is an Outcome with a reason (`failures.py` has those of the network), never an exception.
A library that only this kind needs is an extra of its own: `extras.require_library` asks for it when a file is
read, and one file `KIND_client.py`, imported by `opened`, speaks to it.
"""
