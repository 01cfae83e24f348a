"""The messages of package s2p.v1, generated from proto/s2p/v1 when the package is built."""
