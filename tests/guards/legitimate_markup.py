"""Answers that are configuration, markup and the output of tools: the same shapes line after line."""

from random import Random

from .legitimate_code import COLORS, FIELDS, NOUNS


def css_colors(random: Random) -> str:
    return "\n\n".join(
        f".text-{name} {{\n  color: #{random.getrandbits(24):06x};\n}}" for name in COLORS * 1
    )


def css_spacing(_: Random) -> str:
    """What utility frameworks are made of."""
    sides = {"t": "top", "r": "right", "b": "bottom", "l": "left"}
    return "\n".join(
        f".m{s}-{n} {{ margin-{side}: {n * 0.25:g}rem; }}"
        for s, side in sides.items()
        for n in range(13)
    )


def yaml_deployments(random: Random) -> str:
    return "\n---\n".join(
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {noun}-service\n  labels:\n    app: {noun}\nspec:\n"
        f"  replicas: {random.randint(1, 5)}\n  selector:\n    matchLabels:\n      app: {noun}\n  template:\n    metadata:\n"
        f"      labels:\n        app: {noun}\n    spec:\n      containers:\n        - name: {noun}\n"
        f"          image: registry.example.com/{noun}:{random.randint(1, 3)}.{random.randint(0, 20)}\n"
        f"          ports:\n            - containerPort: {random.randint(8000, 8999)}"
        for noun in NOUNS[:8]
    )


def yaml_hosts(_: Random) -> str:
    return "all:\n  hosts:\n" + "\n".join(
        f"    web{i:02}.example.com:\n      ansible_host: 10.20.30.{i}\n      ansible_user: deploy"
        for i in range(1, 31)
    )


def xml_strings(_: Random) -> str:
    rows = "\n".join(
        f'    <string name="{noun}_{field}">{noun.title()} {field}</string>'
        for noun in NOUNS[:8]
        for field in FIELDS[:6]
    )
    return f"<resources>\n{rows}\n</resources>"


def terraform(random: Random) -> str:
    return "\n\n".join(
        f'resource "aws_security_group_rule" "{noun}" {{\n  type              = "ingress"\n  from_port         = {port}\n'
        f'  to_port           = {port}\n  protocol          = "tcp"\n  cidr_blocks       = ["10.{random.randint(0, 255)}.0.0/16"]\n'
        f"  security_group_id = aws_security_group.main.id\n}}"
        for noun, port in zip(NOUNS, random.sample(range(1000, 9999), len(NOUNS)), strict=True)
    )


def makefile(_: Random) -> str:
    return "\n\n".join(
        f"{noun}.o: {noun}.c {noun}.h config.h\n\t$(CC) $(CFLAGS) -c -o {noun}.o {noun}.c"
        for noun in NOUNS
    )


def html_form(_: Random) -> str:
    return '<form method="post">\n' + "\n".join(
        f'  <div class="form-group">\n    <label for="{f}">{f.title()}</label>\n    <input type="text" class="form-control" id="{f}" name="{f}" required>\n  </div>'
        for f in FIELDS + NOUNS[:6]
    ) + '\n  <button type="submit">Send</button>\n</form>'  # fmt: skip


def html_list(_: Random) -> str:
    return (
        "<ul>\n"
        + "\n".join(
            f'  <li><a href="/docs/chapter-{i}.html">Chapter {i}</a></li>' for i in range(1, 41)
        )
        + "\n</ul>"
    )


def html_grid(_: Random) -> str:
    return (
        '<div class="grid">\n'
        + "\n".join(f'  <div class="cell" id="cell-{i}"></div>' for i in range(64))
        + "\n</div>"
    )


def git_log(random: Random) -> str:
    verbs, what = ("Fix", "Add", "Remove", "Rename", "Test", "Document"), NOUNS + FIELDS
    return "\n\n".join(
        f"commit {random.randbytes(20).hex()}\nAuthor: {random.choice(('Ada', 'Lin', 'Max'))} <dev@example.com>\n"
        f"Date:   2024-04-{30 - i % 30:02} {random.randint(8, 19):02}:{random.randint(0, 59):02}:00 +0200\n\n    {random.choice(verbs)} {random.choice(what)} {random.choice(what)}"
        for i in range(25)
    )


def ls_listing(random: Random) -> str:
    return "total 4096\n" + "\n".join(
        f"-rw-r--r-- 1 root root {random.randint(100, 99999):>7} May {random.randint(1, 28):>2} {random.randint(0, 23):02}:{random.randint(0, 59):02} {random.choice(NOUNS)}_{random.choice(FIELDS)}_{i}.txt"
        for i in range(50)
    )


def pytest_output(random: Random) -> str:
    return "\n".join(
        f"tests/test_{noun}.py::test_{field} PASSED{' ' * 20}[{100 * (i + 1) // 72:>3}%]"
        for i, (noun, field) in enumerate((n, f) for n in NOUNS[:12] for f in FIELDS[:6])
    )


def pip_output(random: Random) -> str:
    return "\n".join(
        f"Requirement already satisfied: {n}-{f}>={random.randint(1, 4)}.{random.randint(0, 30)} in /usr/lib/python3/dist-packages ({random.randint(4, 9)}.{random.randint(0, 30)}.{random.randint(0, 9)})"
        for n, f in zip(NOUNS, FIELDS, strict=False)
    )


MARKUP = {
    made.__name__: made
    for made in (yaml_deployments, yaml_hosts, xml_strings, terraform, makefile, html_form, html_list, html_grid, git_log, ls_listing, pytest_output, pip_output, css_colors, css_spacing,)
}  # fmt: skip
