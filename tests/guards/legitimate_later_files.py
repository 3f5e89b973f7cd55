"""Files among the answers of legitimate_later."""

from random import Random

# A list of words reads better as one text.
# ruff: noqa: SIM905
NAMES = "Amara Bruno Chen Daria Emil Fatima Goran Hana Idris Julia Klaus Leyla Mina Noah Olga Pedro Rania Stefan Tomas Uma Vera Wim Yara Zoe".split()


def null_fields(_: Random) -> str:
    return (
        "[\n"
        + ",\n".join(
            f'  {{"id": {i}, "name": "{name}", "email": null, "phone": null, "address": null, "notes": null}}'
            for i, name in enumerate(NAMES, 1)
        )
        + "\n]"
    )


def dns_zone(random: Random) -> str:
    return "\n".join(
        f"{name.lower():<10} IN  A     198.51.100.{random.randint(1, 254)}\n{name.lower():<10} IN  AAAA  2001:db8::{random.randint(1, 0xFFFF):x}"
        for name in NAMES
    )


def go_cases(random: Random) -> str:
    return "\n".join(
        f'\t\t{{name: "case {i}", in: {random.randint(-99, 99)}, want: {random.randint(0, 99)}, wantErr: {random.choice(("true", "false"))}}},'
        for i in range(1, 41)
    )


def rust_match(_: Random) -> str:
    return (
        "match code {\n"
        + "\n".join(f"    {i} => Some(Instruction::{name})," for i, name in enumerate(NAMES))
        + "\n    _ => None,\n}"
    )


def open_api(_: Random) -> str:
    return "paths:\n" + "\n".join(
        f"  /{n.lower()}s:\n    get:\n      summary: List all {n.lower()}s\n      responses:\n        '200':\n          description: OK\n        '401':\n          description: Unauthorized\n        '500':\n          description: Internal server error"
        for n in NAMES[:12]
    )


def nginx(_: Random) -> str:
    return "\n\n".join(
        f"server {{\n    listen 80;\n    server_name {n.lower()}.example.com;\n    location / {{\n        proxy_pass http://127.0.0.1:{8000 + i};\n        proxy_set_header Host $host;\n        proxy_set_header X-Real-IP $remote_addr;\n    }}\n}}"
        for i, n in enumerate(NAMES[:10])
    )


def translations(_: Random) -> str:
    return (
        "{\n"
        + ",\n".join(
            f'  "menu.{n.lower()}.title": "{n}",\n  "menu.{n.lower()}.hint": "Open {n}"'
            for n in NAMES
        )
        + "\n}"
    )


def bibtex(random: Random) -> str:
    return "\n\n".join(
        f"@article{{{n.lower()}{random.randint(1990, 2024)},\n  author  = {{{n}, {random.choice('ABCDEF')}.}},\n  title   = {{On the {random.choice(('theory', 'practice', 'history'))} of {random.choice(('bridges', 'rivers', 'graphs', 'markets'))}}},\n  journal = {{Annals}},\n  year    = {{{random.randint(1990, 2024)}}}\n}}"
        for n in NAMES[:18]
    )
