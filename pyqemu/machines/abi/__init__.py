"""The guest-visible ABI of a machine type, read off a machine that was built for the purpose.

One module per part. Each function takes a ``Board`` and returns plain text in nested dictionaries, so that a
lock file has one field a line and a comparison can name it. What decides is what a guest finds, not how our
code is arranged: registers are read through the bus wherever that is possible.
"""
