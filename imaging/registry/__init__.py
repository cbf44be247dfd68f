"""A client of container registries that speak Registry V2.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""
