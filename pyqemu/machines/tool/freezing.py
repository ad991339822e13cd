"""``freeze``: a new stable type from the newest hardware."""

from __future__ import annotations

from datetime import date

import click

from pyqemu.machines.freeze import freeze as freeze_type
from pyqemu.machines.registry import Registry
from pyqemu.machines.tool.locks import difference_json
from pyqemu.machines.tool.output import print_heading, print_json, short
from pyqemu.machines.tool.program import as_json


@click.command()
@click.argument("name")
@as_json
def freeze(name: str, as_json: bool) -> None:
    """Make a stable type, like pc-2.0, of what pc-next is today.

    Refused if the policy forbids it (machines/policy.yaml): the release is not that of the name, it is too early
    for another type, or the locks are not closed yet.
    """
    frozen = freeze_type(Registry.load(), name, today=date.today())
    if as_json:
        print_json(
            {
                "name": frozen.name,
                "source": frozen.source,
                "files": [str(path) for path in frozen.files],
                "heirs": list(frozen.heirs),
                "differences": [difference_json(difference) for difference in frozen.differences],
            }
        )
        return
    print_heading(f"{frozen.name} is what {frozen.source} is today")
    for path in frozen.files:
        click.echo(f"  {short(path)}")
    if frozen.heirs:
        click.echo(f"{', '.join(frozen.heirs)}: inherits {frozen.name} now, and is the same machine.")
    if frozen.differences:
        click.echo(f"From {frozen.source} to {frozen.name}:")
    for difference in frozen.differences:
        click.echo(f"  {difference}")
