"""Lists the packages that are built: the code, and three top-level folders as its data."""

from setuptools import find_packages, setup

SHIPPED = [f"harmonize.shipped.{folder}" for folder in ("trees", "datasets", "configs")]

setup(packages=[*find_packages(include=["harmonize*"]), *SHIPPED])
