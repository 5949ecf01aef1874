"""Chaos: nodes, databases and networks fail at random under load, and an independent checker looks on.

`python -m tests.chaos --minutes 2 --seed 7` prints what was injected, what was done and what was violated.
"""
