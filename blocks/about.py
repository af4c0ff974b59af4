"""What all blocks show of themselves in the Prefect UI: a logo and a page to read."""

from pydantic import HttpUrl

__all__ = ["DOCUMENTATION", "LOGO"]

LOGO = HttpUrl(
    "https://raw.githubusercontent.com/PrefectHQ/prefect/420d0d6a78bb6df1fc18bcf188fdad43c1d22ea9"
    "/assets/block-logos/process.png"
)
"""One that Prefect itself ships, at a commit that stays: square, PNG, reachable wherever its UI is."""
DOCUMENTATION = HttpUrl("https://docs.prefect.io/integrations/use-integrations")
