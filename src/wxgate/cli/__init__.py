"""The `wxgate` command, one module per command.

Modules are light to import: what opens a database or speaks HTTP is imported where it is used, so that help
and mistakes answer at once.
"""
