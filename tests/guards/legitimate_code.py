"""Answers that are code and configuration: the same shapes line after line, and each line is needed."""
# Lists of words read better as one text.
# ruff: noqa: SIM905

from random import Random

NOUNS = "user order invoice product cart payment address session report message ticket comment image token profile".split()
TYPES = ("int", "String", "double", "boolean", "LocalDate", "List<String>")
FIELDS = "id name email created updated status owner total currency country language notes".split()
COLORS = "red crimson salmon coral tomato orange gold khaki olive green teal cyan blue navy indigo violet plum orchid pink".split()


def python_tests(random: Random) -> str:
    cases = []
    for i in range(1, 26):
        a, b = random.randint(-50, 50), random.randint(-50, 50)
        cases.append(
            f"    def test_add_{i}(self):\n        self.assertEqual(add({a}, {b}), {a + b})\n"
        )
    return (
        "import unittest\n\nfrom calculator import add\n\n\nclass TestAdd(unittest.TestCase):\n"
        + "\n".join(cases)
    )


def python_parameters(random: Random) -> str:
    rows = "\n".join(
        f'        ("{random.choice(NOUNS)}-{random.randint(1, 99)}", {random.randint(0, 9)}, {random.choice(("True", "False"))}),'
        for _ in range(50)
    )
    return f'@pytest.mark.parametrize(\n    ("slug", "count", "valid"),\n    [\n{rows}\n    ],\n)\ndef test_slug(slug, count, valid):\n    assert check(slug, count) is valid\n'


def python_model(random: Random) -> str:
    return "\n\n\n".join(
        f'class {noun.title()}(Base):\n    __tablename__ = "{noun}s"\n\n    id = Column(Integer, primary_key=True)\n'
        + "\n".join(
            f"    {field} = Column(String({random.choice((20, 50, 100, 255))}), nullable=False)"
            for field in random.sample(FIELDS[1:], 5)
        )
        for noun in NOUNS
    )


def python_routes(_: Random) -> str:
    return "\n\n\n".join(
        f'@app.get("/{noun}s/{{{noun}_id}}")\ndef get_{noun}({noun}_id: int) -> {noun.title()}:\n'
        f"    found = db.get({noun.title()}, {noun}_id)\n    if found is None:\n"
        f'        raise HTTPException(status_code=404, detail="{noun} not found")\n    return found'
        for noun in NOUNS
    )


def java_getters(random: Random) -> str:
    made = []
    for field in FIELDS:
        kind, upper = random.choice(TYPES), field.title()
        made.append(
            f"    public {kind} get{upper}() {{\n        return {field};\n    }}\n\n"
            f"    public void set{upper}({kind} {field}) {{\n        this.{field} = {field};\n    }}"
        )
    return "public class Customer {\n\n" + "\n\n".join(made) + "\n}"


def c_switch(_: Random) -> str:
    cases = "\n".join(
        f'        case {code}: return "{name.upper()}";'
        for code, name in enumerate(NOUNS + FIELDS, 100)
    )
    return f'const char *event_name(int code) {{\n    switch (code) {{\n{cases}\n        default: return "UNKNOWN";\n    }}\n}}'


def c_table(random: Random) -> str:
    rows = "\n".join(
        "    " + ", ".join(f"0x{random.getrandbits(32):08x}" for _ in range(6)) + ","
        for _ in range(43)
    )
    return f"static const uint32_t crc_table[256] = {{\n{rows}\n}};"


def c_zeros(_: Random) -> str:
    rows = "\n".join("    {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}," for _ in range(12))
    return f"static uint8_t board[12][12] = {{\n{rows}\n}};"


def c_defines(_: Random) -> str:
    return "\n".join(
        f"#define REG_GPIO{i:02}_CTRL   (GPIO_BASE + 0x{4 * i:03x})" for i in range(48)
    )


def verilog_ports(_: Random) -> str:
    return "\n".join(f"  assign out[{i}] = in_a[{i}] & in_b[{31 - i}];" for i in range(32))


def assembly(random: Random) -> str:
    registers = ("rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9")
    lines = []
    for i in range(70):
        name, a, b = (
            random.choice(("mov", "add", "xor", "sub", "cmp")),
            *random.sample(registers, 2),
        )
        lines.append(
            f"  40{0x1000 + 4 * i:04x}:   {name:<6} {a}, {b}"
            if random.random() < 0.7
            else f"  40{0x1000 + 4 * i:04x}:   {name:<6} {a}, 0x{random.randint(0, 255):x}"
        )
    return "\n".join(lines)


def enum_members(_: Random) -> str:
    return "class Permission(IntFlag):\n" + "\n".join(
        f"    {verb}_{noun.upper()} = 1 << {4 * i + k}"
        for i, noun in enumerate(NOUNS[:12])
        for k, verb in enumerate(("READ", "WRITE", "SHARE", "DELETE"))
    )


def imports(_: Random) -> str:
    return "\n".join(
        f"import {{ {n.title()}{kind} }} from './{n}/{n}.{kind.lower()}';"
        for n in NOUNS
        for kind in ("Module", "Service", "Controller")
    )


def diff(random: Random) -> str:
    return "\n".join(
        f'@@ -{10 * i},3 +{10 * i},3 @@\n     def {noun}(self):\n-        return self._{noun}\n+        return self._store.get("{noun}")'
        for i, noun in enumerate(NOUNS + FIELDS, 1)
    )


def proto_fields(_: Random) -> str:
    return "\n\n".join(
        f"message {noun.title()} {{\n"
        + "\n".join(f"  string {field} = {i};" for i, field in enumerate(FIELDS, 1))
        + "\n}"
        for noun in NOUNS[:8]
    )


def excel_formulas(_: Random) -> str:
    return "\n".join(f"=IF(B{i}>0, C{i}/B{i}, 0)" for i in range(2, 62))


def regex_table(_: Random) -> str:
    return "\n".join(
        f'    re.compile(r"^{noun}-(?P<{field}>[0-9]+)$"),'
        for noun in NOUNS
        for field in FIELDS[:4]
    )


CODE = {
    made.__name__: made
    for made in (
        python_tests, python_parameters, python_model, python_routes, java_getters, c_switch, c_table, c_zeros, c_defines,
        verilog_ports, assembly, enum_members, imports, diff, proto_fields, excel_formulas, regex_table,
    )
}  # fmt: skip
