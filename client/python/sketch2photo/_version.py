"""The version of the package: that of the project."""
VERSION = "0.1.0"
