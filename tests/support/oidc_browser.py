"""``python -m tests.support.oidc_browser ADDRESS``: a browser of one person, whom the provider knows as ``s-1``."""

from __future__ import annotations

import sys

import httpx

from tests.support.oidc_provider import Provider


def main(address: str) -> None:
    with httpx.Client() as browser:
        at_the_provider = browser.get(address).headers["location"]
        back = Provider("").sign_in(at_the_provider, "s-1")
        at_the_terminal = browser.get(back).headers["location"]
        browser.get(at_the_terminal).raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1])
