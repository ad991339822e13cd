"""The keyboard controller with its keyboard and mouse."""
