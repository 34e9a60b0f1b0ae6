"""Puts the top-level folders of trees, mappings and configs into the package when it is built."""

from setuptools import find_packages, setup

SHIPPED = {f"harmonize.shipped.{folder}": folder for folder in ("trees", "datasets", "configs")}

setup(
    packages=[*find_packages(include=["harmonize*"]), *SHIPPED],
    package_dir=SHIPPED,
    package_data={package: ["**/*.txt", "**/*.yaml"] for package in SHIPPED},
)
