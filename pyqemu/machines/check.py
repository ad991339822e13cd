"""Whether our machine types keep the policy, and are the machines that their locks describe.

    for finding in check_types(registry): print(finding)

What the loader refuses (unknown keys, circles, two defaults) never gets here; this is what the files promise and
the machine does not keep.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from pyqemu.core.errors import ConfigError
from pyqemu.hw.catalog import CATALOG, device_class
from pyqemu.machines.abi.specimen import build
from pyqemu.machines.document import Place
from pyqemu.machines.lock import Difference, abi_of, compare, lock_path, read_lock
from pyqemu.machines.policy import Life, Policy, release_name
from pyqemu.machines.registry import COLLECTED_KEYS, MachineType, Registry
from pyqemu.machines.resolved import resolved_devices
from pyqemu.machines.schema import DeviceNode, Release
from pyqemu.machines.settings import check_settings

MONTH_DAYS = 30.44


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be. ``differences``: what a guest would notice."""

    about: str
    message: str
    hint: str = ""
    place: Place | None = None
    differences: tuple[Difference, ...] = ()

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else f"{self.about}: {self.message}"


def check_types(registry: Registry, *, locks: bool = True) -> Iterator[Finding]:
    """Everything there is to find. *locks*: build each machine and compare it; half a second a type."""
    ours = [machine for machine in registry.all() if not machine.vendor]
    yield from _check_policy(registry, ours)
    for machine in ours:
        yield from _check_promise(registry, machine)
    for problem in registry.problems:
        yield Finding("vendor", str(problem), problem.hint)
    told = set()
    for finding in chain(*map(_check_devices, registry.all()), _check_locks(registry) if locks else ()):
        if finding.differences or finding.message not in told:  # heirs of a type share its mistakes
            yield finding
        told.add(finding.message)


# -- policy -----------------------------------------------------------------------------------------------


def _check_policy(registry: Registry, ours: Iterable[MachineType]) -> Iterator[Finding]:
    policy, release = registry.policy, registry.release
    if release not in policy.releases:
        place = policy.places["releases"]
        yield Finding("policy", f"release {release_name(release)}, which this is, is not listed", place=place)
    made = [number for number, day in policy.releases.items() if day is not None]
    if made and policy.locks_open:
        yield Finding(
            "policy",
            f"release {release_name(made[0])} has been made, and locks are still open",
            "A release closes them: from then on no commit can change a stable type.",
            policy.places["locks"],
        )
    yield from _check_cadence(policy, ours)
    if not any(machine.default for machine in ours):
        yield Finding("policy", "no machine type is the default")


def _check_cadence(policy: Policy, ours: Iterable[MachineType]) -> Iterator[Finding]:
    """Stable types after the first release come as often as the policy says."""
    places: dict[Release, Place] = {}
    for machine in ours:
        if machine.since and policy.stability[machine.stability].lock == "frozen":
            places.setdefault(machine.since, machine.places["since"])
    last: Release | None = None
    for number in sorted(places):
        if last is not None and (reason := cadence_refusal(policy, last, number)):
            yield Finding("policy", reason, place=places[number])
        last = number


def cadence_refusal(policy: Policy, last: Release, new: Release, today: date | None = None) -> str:
    """Why release *new* may not bring a stable type after those of *last*; empty if it may.

    *today* stands for the day of a release that has none yet.
    """
    if policy.cadence == "major" and new[1] != 0:
        return f"{release_name(new)} is no major release, and those bring new stable types (cadence)"
    before, after = policy.releases.get(last), policy.releases.get(new) or today
    if before and after and (months := int((after - before).days / MONTH_DAYS)) < policy.cadence_months:
        return (
            f"{release_name(new)} comes {months} months after {release_name(last)}; "
            f"between stable types there are {policy.cadence_months} at least (cadence)"
        )
    return ""


# -- promises of a type ------------------------------------------------------------------------------------


def _check_promise(registry: Registry, machine: MachineType) -> Iterator[Finding]:
    policy, definition = registry.policy, machine.definitions[0]
    kind = policy.stability[machine.stability]

    def finding(key: str, message: str, hint: str = "") -> Finding:
        return Finding(machine.name, message, hint, definition.places.get(key, Place(definition.path, 1, 1)))

    if "stability" not in definition.said:
        yield finding("name", "says no 'stability'", f"Accepted: {', '.join(policy.stability)}.")
    if kind.lock == "frozen":
        if machine.since is None:
            yield finding("name", "a stable type says with which release it came: 'since'")
        elif machine.since not in policy.releases:
            yield finding("since", f"release {release_name(machine.since)} is not in {policy.path.name}")
        if machine.life is Life.PLANNED:
            yield finding("since", f"'{machine.name}' is there before its release")
    if kind.lock == "follows":
        if machine.default or machine.alias:
            yield finding(
                "default" if machine.default else "alias", "a type that may change has neither default nor alias"
            )
        for key in COLLECTED_KEYS:
            if definition.said.get(key):
                yield finding(key, f"'{key}' of the newest hardware would reach every type that inherits it",
                              "Its newest behaviour is what the devices do by default.")  # fmt: skip
    if machine.default and machine.life is not Life.CURRENT:
        yield finding("default", f"the default, '{machine.name}', is {machine.life.value}")
    if machine.alias and machine.life is Life.REMOVED:
        yield finding("alias", f"alias '{machine.alias}' leads to a type past its life")
    if machine.life in (Life.DEPRECATED, Life.REMOVED) and not registry.successor(machine):
        yield finding("since", f"'{machine.name}' is {machine.life.value}, and there is no type to move to")


def _check_devices(machine: MachineType) -> Iterator[Finding]:
    """The board's file, and every property that the type or the board sets."""
    try:
        devices = resolved_devices(machine)
        for device in devices:
            _check_values(device.node)
        check_settings(machine, defaults=True)
    except ConfigError as error:
        yield Finding(machine.name, str(error), error.hint)
        return
    seats: dict[int, str] = {}
    for node in (device.node for device in devices if device.node.devfn >= 0):
        if node.devfn in seats:
            yield Finding(machine.name, f"'{node.id}' sits where '{seats[node.devfn]}' does", place=node.place)
        seats.setdefault(node.devfn, node.id)


def _check_values(node: DeviceNode) -> None:
    if node.type not in CATALOG:
        return
    device = device_class(node.type)()
    for name, value in node.props.items():
        try:
            device.set(name, value)
        except ConfigError as error:
            raise node.places[name].error(str(error), error.hint) if name in node.places else error from None


# -- what an earlier commit promised ------------------------------------------------------------------------


def check_against(registry: Registry, revision: str) -> Iterator[Finding]:
    """Whether the types that were stable at a git *revision*, with locks closed, are still there and the same.

    This compares locks with locks: a commit that changes a machine and its lock together does not get by.
    Raises ConfigError if git cannot say.
    """
    with tempfile.TemporaryDirectory(prefix="pyqemu-check-") as folder:
        _extract(registry.directory, revision, Path(folder))
        before = Registry(Path(folder), release=registry.release)
        if before.policy.locks_open:
            return
        now = {machine.name for machine in registry.all() if not machine.vendor}
        for machine in before.all():
            if before.policy.stability[machine.stability].lock != "frozen" or machine.life is Life.REMOVED:
                continue
            if machine.name not in now:
                yield Finding(machine.name, f"was there at {revision}, and is gone before its time")
            elif not machine.unavailable:
                yield from _check_same_lock(registry, machine, revision)


def _check_same_lock(registry: Registry, machine: MachineType, revision: str) -> Iterator[Finding]:
    try:
        old = read_lock(machine.name, lock_directory(machine))
        differences = compare(old, read_lock(machine.name, registry.directory))
    except ConfigError as error:
        yield Finding(machine.name, str(error), error.hint)
        return
    if differences:
        yield Finding(
            machine.name,
            f"its lock is not what it was at {revision}: {counted(differences)}",
            "The lock of a stable type never changes.",
            differences=tuple(differences),
        )


def _extract(directory: Path, revision: str, target: Path) -> None:
    """The files of *directory* as they were at a revision."""
    try:
        archive = subprocess.run(
            ["git", "-C", str(directory), "archive", "--format=tar", "--end-of-options", revision, "."],
            capture_output=True,
            check=True,
        ).stdout
    except FileNotFoundError:
        raise ConfigError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        raise ConfigError(f"revision '{revision}': {error.stderr.decode(errors='replace').strip()}") from None
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(target, filter="data")


# -- locks ------------------------------------------------------------------------------------------------


def lock_directory(machine: MachineType) -> Path:
    """Locks lie beside the files of their types."""
    return machine.path.parent


def _check_locks(registry: Registry) -> Iterator[Finding]:
    for machine in registry.all():
        path = lock_path(machine.name, lock_directory(machine))
        if machine.life is Life.REMOVED or machine.unavailable:
            continue
        if machine.vendor and not path.exists():
            yield from _check_build(machine)
        else:
            yield from _check_lock(registry, machine)
    names = {machine.name for machine in registry.all() if not machine.vendor}
    for path in sorted((registry.directory / "abi").glob("*.json")):
        if path.stem not in names:
            yield Finding(path.stem, f"{path}: there is no such machine type")


def _check_build(machine: MachineType) -> Iterator[Finding]:
    """Whether a type without a lock can be built at all, where its files look well."""
    if any(_check_devices(machine)):
        return
    try:
        build(machine).close()
    except ConfigError as error:
        yield Finding(machine.name, str(error), error.hint)


def _check_lock(registry: Registry, machine: MachineType) -> Iterator[Finding]:
    try:
        differences = compare(read_lock(machine.name, lock_directory(machine)), abi_of(machine.name, registry))
    except ConfigError as error:
        yield Finding(machine.name, str(error), error.hint)
        return
    if differences:
        yield Finding(
            machine.name,
            f"is not the machine that its lock describes: {counted(differences)}",
            relock_hint(registry, machine),
            differences=tuple(differences),
        )


def counted(differences: Sequence[Difference]) -> str:
    return f"{len(differences)} difference{'s' * (len(differences) != 1)}"


def relock_refusal(registry: Registry, machine: MachineType) -> str:
    """Why the lock of a type may not be written anew; empty if it may."""
    if registry.policy.locks_open or registry.policy.stability[machine.stability].lock != "frozen":
        return ""
    return f"machine type '{machine.name}' is stable and its lock is closed: no release may change it"


def relock_hint(registry: Registry, machine: MachineType) -> str:
    if relock_refusal(registry, machine):
        return (
            "Its lock is closed. Give the new behaviour a property, and have the type set the old value "
            f"('compat' in {machine.path.name})."
        )
    return f"If that is meant, 'pyqemu-machine lock {machine.name}' in the same commit."
