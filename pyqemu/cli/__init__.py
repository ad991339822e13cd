"""The command line: QEMU's option syntax → a ``LaunchConfig``. No device code here."""
