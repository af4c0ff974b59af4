"""Prints what each Terraform example costs in a month when nobody uses it, from `terraform/prices.toml`."""

import tomllib
from pathlib import Path

TABLE = Path(__file__).parents[1] / "terraform" / "prices.toml"


def main() -> None:
    """One line for each thing that is paid for, the dearest first, and the sum."""
    table = tomllib.loads(TABLE.read_text())
    print(f"List prices of {table['region']} on {table['as_of']}, in US dollars a month; traffic and flow runs come on top.")
    for example, amounts in table["examples"].items():
        lines = []
        for name, amount in amounts.items():
            price, unit = table["prices"][name]
            hours = table["hours_a_month"] if unit.endswith("hour") else 1
            lines.append((amount * price * hours, f"{amount:g} x {price:g} a {unit}", name))
        print(f"\n{example}: {sum(cost for cost, _, _ in lines):.2f}")
        for cost, how, name in sorted(lines, reverse=True):
            print(f"  {cost:8.2f}  {name.replace('_', ' '):28} {how}")


if __name__ == "__main__":
    main()
