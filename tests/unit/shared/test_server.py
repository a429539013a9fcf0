"""What a service's server trusts."""

from __future__ import annotations

import pytest

from shared.web.server import trusted_proxies


def test_only_listed_proxies_are_believed() -> None:
    assert trusted_proxies("") == []
    assert trusted_proxies("10.0.0.1, 192.168.0.0/16,fd00::/8,") == ["10.0.0.1", "192.168.0.0/16", "fd00::/8"]


@pytest.mark.parametrize("text", ["*", "0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1;10.0.0.2", "10.0.0.1/8"])
def test_a_list_that_trusts_everybody_or_nobody_ends_the_start(text: str) -> None:
    with pytest.raises(SystemExit, match=r"FORWARDED_ALLOW_IPS: .*List the addresses"):
        trusted_proxies(text)
