"""The monitor: how people (HMP) and programs (QMP) talk to a running machine.

One table (``table.py``) holds every command; ``qmp.py`` and ``hmp.py`` are two ways to reach it, and
``VirtualMachine.qmp()`` is a third. ``commands/`` has the commands by subject. Nothing here is imported before a
client connects or a user asks for the monitor.
"""
