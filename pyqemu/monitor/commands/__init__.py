"""The monitor's commands, by subject. Importing a module enters its commands into the table."""
