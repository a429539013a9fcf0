"""The provider `replicate`: models that Replicate hosts, for money. See docs/decisions/0005."""
