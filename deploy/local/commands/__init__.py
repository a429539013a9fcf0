"""The operators' commands of `retake`, one module each; `deploy.local.cli` declares their options."""
