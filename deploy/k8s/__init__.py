"""Kubernetes: a Kustomize base, components and overlays; what follows from the contracts is generated."""
