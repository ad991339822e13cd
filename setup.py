"""What pyproject.toml cannot say: the C half of the CPU, and data that lies outside the package.

``machines/`` and ``firmware/images/`` become the packages ``pyqemu.data.machines`` and
``pyqemu.data.firmware``; ``pyqemu.paths`` finds them there, and in a source checkout where they are.
"""

from setuptools import Extension, find_packages, setup

DATA = {"pyqemu.data.machines": "machines", "pyqemu.data.firmware": "firmware/images"}

setup(
    packages=[*find_packages(include=["pyqemu", "pyqemu.*"]), *DATA],
    package_dir=DATA,
    package_data={
        "pyqemu.data.machines": ["*.yaml", "qemu/*.yaml", "boards/*.yaml", "abi/*.json"],
        "pyqemu.data.firmware": ["*"],
    },
    include_package_data=False,
    ext_modules=[
        Extension(
            "pyqemu.cpu._sysmode",
            ["pyqemu/cpu/_sysmode.c"],
            libraries=["dl", "pthread"],
            extra_compile_args=["-O2"],
        )
    ],
)
