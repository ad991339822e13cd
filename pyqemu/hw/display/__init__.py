"""Display adapters."""
