"""Who is calling: tokens, the issuer, signed media links."""
